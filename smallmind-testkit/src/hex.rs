//! Facts that reference programs write as text.

/// The floats whose little-endian bytes stand in hexadecimal.
///
/// # Panics
/// Where they do not.
pub fn floats_of_hex(hex: &str) -> Vec<f32> {
    let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hexadecimal");
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}
