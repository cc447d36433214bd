//! Points the run-time linker at libtorch, so that a built binary or test starts with no exported variable.

use std::env;

fn main() {
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    let Some(lib_dir) = env::var_os("DEP_TCH_LIBTORCH_LIB") else {
        return;
    };
    // Canonical, because the run-time linker resolves a relative or linked path from wherever the binary is started.
    let lib_dir = std::fs::canonicalize(&lib_dir).unwrap_or_else(|_| lib_dir.into());
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib_dir.display());
}
