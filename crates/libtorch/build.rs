//! Writes LibTorch's folder into the program, so that it runs with no environment variable set.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    // Beside the program first, as in the container image and in an unpacked release.
    println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib");
    if let Ok(lib) = env::var("DEP_TCH_LIBTORCH_LIB") {
        let path = Path::new(&lib).canonicalize().unwrap_or_else(|_| lib.clone().into());
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", path.display());
    }
}
