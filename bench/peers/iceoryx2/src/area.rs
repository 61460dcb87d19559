//! The names and the folder that a run of the benchmark has for itself, so that
//! it can remove all that iceoryx2 leaves: the management segment of its nodes,
//! and empty folders.

use iceoryx2::config::Config;
use iceoryx2::prelude::*;
use std::fs;
use std::path::PathBuf;

use crate::Outcome;

const SHARED_MEMORY: &str = "/dev/shm";

/// Named by the process that measures; another that takes part has it as well.
pub struct Area {
    prefix: String,
}

impl Area {
    pub fn of_process(pid: u32) -> Self {
        let prefix = format!("bench_iceoryx2_{pid}_");
        Area { prefix }
    }

    pub fn node(&self) -> Outcome<Node<ipc::Service>> {
        set_log_level(LogLevel::Error);
        let mut config = Config::default();
        config.global.prefix = FileName::new(self.prefix.as_bytes())?;
        let folder = self.folder();
        let path = folder
            .to_str()
            .ok_or("the temporary folder's name is not text")?;
        config.global.set_root_path(&Path::new(path.as_bytes())?);
        Ok(NodeBuilder::new()
            .config(&config)
            .create::<ipc::Service>()?)
    }

    /// To be called when no node is left.
    pub fn remove(&self) -> Outcome<()> {
        for entry in fs::read_dir(SHARED_MEMORY)? {
            let entry = entry?;
            if entry
                .file_name()
                .to_string_lossy()
                .starts_with(&self.prefix)
            {
                fs::remove_file(entry.path())?;
            }
        }
        if self.folder().exists() {
            fs::remove_dir_all(self.folder())?;
        }
        Ok(())
    }

    fn folder(&self) -> PathBuf {
        std::env::temp_dir().join(&self.prefix)
    }
}
