//! A line that says which machine measured something: processor, cores, kernel.

use std::fs;
use std::thread;

/// Describes this machine, such as `AMD EPYC 7B13, 2 cores, linux 6.1.0`.
pub(crate) fn description() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu_model(&cpuinfo).unwrap_or(std::env::consts::ARCH);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    describe(model, cores, std::env::consts::OS, release.trim())
}

fn describe(model: &str, cores: usize, os: &str, release: &str) -> String {
    let noun = if cores == 1 { "core" } else { "cores" };
    format!("{model}, {cores} {noun}, {os} {release}").trim_end().to_owned()
}

/// The first processor's name in the format of `/proc/cpuinfo`; not every architecture has one.
fn cpu_model(cpuinfo: &str) -> Option<&str> {
    cpuinfo.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then_some(value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_is_the_first_model_name() {
        let text =
            "processor\t: 0\nmodel\t\t: 1\nmodel name\t: Fast CPU 9\n\nmodel name\t: Other\n";
        assert_eq!(cpu_model(text), Some("Fast CPU 9"));
        assert_eq!(cpu_model("processor : 0\n"), None);
    }

    #[test]
    fn description_has_processor_cores_and_kernel() {
        assert_eq!(describe("Fast CPU 9", 2, "linux", "6.1.0"), "Fast CPU 9, 2 cores, linux 6.1.0");
        assert_eq!(describe("aarch64", 1, "macos", ""), "aarch64, 1 core, macos");
    }
}
