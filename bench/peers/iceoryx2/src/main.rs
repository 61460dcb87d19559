//! The same work with iceoryx2, the zero-copy middleware that a Rust programmer
//! would pick. It has no allocator for users, but each sample that is sent is
//! first loaned from shared memory:
//!
//!   pair     loan a sample of 512 bytes and drop it, where others allocate and free
//!   handed   loan and send; another process receives and drops
//!
//!   iceoryx2-peer --rounds N MEASURE

mod area;
mod handed;
mod services;

use area::Area;
use std::error::Error;
use std::time::Instant;

pub const BLOCK_SIZE: usize = 512;
const PAIRS: u32 = 200_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Loans and drops one sample: ns per pair.
fn pair(area: &Area) -> Outcome<f64> {
    let node = area.node()?;
    let service = services::service(&node)?;
    let publisher = services::publisher(&service)?;
    let mut time = 0.0;
    for _ in 0..2 {
        // the first one warms up
        let start = Instant::now();
        for _ in 0..PAIRS {
            drop(publisher.loan_slice_uninit(BLOCK_SIZE)?);
        }
        time = start.elapsed().as_nanos() as f64 / f64::from(PAIRS);
    }
    Ok(time)
}

fn report(name: &str, mut rounds: Vec<f64>) {
    let listed: Vec<String> = rounds.iter().map(|value| format!("{value:.2}")).collect();
    rounds.sort_by(f64::total_cmp);
    let median = (rounds[(rounds.len() - 1) / 2] + rounds[rounds.len() / 2]) / 2.0;
    println!(
        "{{\"measure\":\"{name}\",\"unit\":\"ns\",\"median\":{median:.2},\"rounds\":[{}]}}",
        listed.join(",")
    );
}

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (rounds, name, round): (usize, _, fn(&Area) -> Outcome<f64>) = match args[..] {
        ["receive", pid] => return handed::receive(&Area::of_process(pid.parse()?)),
        ["--rounds", rounds, "pair"] => (rounds.parse()?, "pair", pair),
        ["--rounds", rounds, "handed"] => (rounds.parse()?, "handed", handed::handed),
        _ => return Err("usage: iceoryx2-peer --rounds N pair|handed".into()),
    };
    let area = Area::of_process(std::process::id());
    let values: Outcome<Vec<f64>> = (0..rounds.max(1)).map(|_| round(&area)).collect();
    area.remove()?;
    report(name, values?);
    Ok(())
}
