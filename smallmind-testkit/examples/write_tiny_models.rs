//! Writes every tiny model into the folder given, and encoders into its folder
//! `encoders`: `cargo run -p
//! smallmind-testkit --example write_tiny_models -- FOLDER`.

use smallmind_testkit::{
    QUANTIZED, tiny_encoder, tiny_encoder_names, tiny_model, tiny_model_names,
};
use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("a folder"));
    std::fs::create_dir_all(&folder)?;
    let quantized = QUANTIZED.iter().map(|kind| format!("llama-{kind}"));
    let experts = ["llama-q4_k-experts".to_owned()];
    for name in tiny_model_names().iter().map(|n| (*n).to_owned()).chain(quantized).chain(experts) {
        std::fs::write(folder.join(format!("{name}.gguf")), tiny_model(&name).bytes())?;
    }
    let folder = folder.join("encoders");
    std::fs::create_dir_all(&folder)?;
    for name in tiny_encoder_names() {
        std::fs::write(folder.join(format!("{name}.gguf")), tiny_encoder(name).bytes())?;
    }
    Ok(())
}
