//! The environment variables that a trainer inherits.
//!
//! The server's settings are environment variables too, and a database URL contains a password. A trainer
//! does not use the database, so it inherits only what programs and tensor libraries need.

use std::ffi::{OsStr, OsString};

use tokio::process::Command;

/// Variables passed on, by name.
const NAMES: &[&str] = &[
    "HOME",
    "LANG",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LLVM_PROFILE_FILE",
    "LOGNAME",
    "PATH",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_CACHE_HOME",
];
/// Variables passed on, by prefix: locales, CUDA, threads, tensor libraries, allocators, sanitizers and Rust.
const PREFIXES: &[&str] = &[
    "ASAN_",
    "ATEN_",
    "CUBLAS_",
    "CUDA_",
    "CUDNN_",
    "FAKETIME",
    "GLIBC_",
    "GOMP_",
    "KMP_",
    "LC_",
    "MALLOC_",
    "MKL_",
    "NCCL_",
    "NVIDIA_",
    "OMP_",
    "OPENBLAS_",
    "PYTORCH_",
    "RUST_",
    "TORCH_",
];

/// Limits the command's environment to what a trainer inherits.
pub(super) fn limit(command: &mut Command) {
    command.env_clear().envs(passed_on(std::env::vars_os()));
}

fn passed_on(all: impl Iterator<Item = (OsString, OsString)>) -> impl Iterator<Item = (OsString, OsString)> {
    all.filter(|(name, _)| is_passed_on(name))
}

fn is_passed_on(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setting_and_no_secret_is_passed_on() {
        let names = ["GATECAST_DATABASE", "GATECAST_LOG_FILTER", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "DATABASE_URL"];
        assert!(!names.iter().any(|name| is_passed_on(OsStr::new(name))));
        let names = ["PATH", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "LC_ALL", "RUST_BACKTRACE"];
        assert!(names.iter().all(|name| is_passed_on(OsStr::new(name))));
    }
}
