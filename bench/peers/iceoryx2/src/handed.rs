//! Samples that one process loans and sends, and another receives and drops.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{area::Area, services, Outcome, BLOCK_SIZE};

const HANDED: usize = 200_000;
/// Sent before the clock starts.
const WARM_UP: usize = 1_000;
/// Looks for a sample before others get the processor.
const SPINS: u32 = 200;

/// This process sends, another drops: ns per sample.
pub fn handed(area: &Area) -> Outcome<f64> {
    let node = area.node()?;
    let service = services::service(&node)?;
    let publisher = services::publisher(&service)?;
    let mut receiver = Command::new(std::env::current_exe()?)
        .args(["receive", &std::process::id().to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(receiver.stdout.take().ok_or("no output")?).lines();
    let mut await_line =
        || -> Outcome<String> { Ok(lines.next().ok_or("the receiving process failed")??) };

    let send = |count: usize| -> Outcome<()> {
        for _ in 0..count {
            let sample = publisher.loan_slice_uninit(BLOCK_SIZE)?;
            // SAFETY: nobody reads the bytes.
            unsafe { sample.assume_init() }.send()?;
        }
        Ok(())
    };
    await_line()?;
    send(WARM_UP)?;
    await_line()?;
    let start = Instant::now();
    send(HANDED)?;
    await_line()?;
    let time = start.elapsed();
    receiver.wait()?;
    Ok(time.as_nanos() as f64 / HANDED as f64)
}

/// The other process: says that it is there, and after each of the two runs that
/// it has received all of it.
pub fn receive(area: &Area) -> Outcome<()> {
    let node = area.node()?;
    let subscriber = services::service(&node)?.subscriber_builder().create()?;
    println!("ready");
    for count in [WARM_UP, HANDED] {
        let (mut received, mut spins) = (0, 0);
        while received < count {
            match subscriber.receive()? {
                Some(sample) => {
                    drop(sample);
                    (received, spins) = (received + 1, 0);
                }
                None if spins >= SPINS => std::thread::yield_now(),
                None => spins += 1,
            }
        }
        println!("received");
    }
    Ok(())
}
