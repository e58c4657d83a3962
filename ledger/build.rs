//! Migrations are embedded; a new file must rebuild the crate.

#[expect(clippy::print_stdout, reason = "how a build script speaks to cargo")]
fn main() {
    println!("cargo::rerun-if-changed=../migrations");
}
