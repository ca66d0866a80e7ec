//! The real bitmaps of arXiv:1402.6407, where they are at hand: zip files of texts of numbers.

use std::io::Read as _;
use std::path::PathBuf;

use flate2::read::DeflateDecoder;

pub(crate) const NAMES: [&str; 3] = ["census1881", "wikileaks-noquotes", "uscensus2000"];

/// The sets of one file; `None` if the file is not there.
pub(crate) fn read(name: &str) -> Option<Vec<Vec<u32>>> {
    let path = [env!("CARGO_MANIFEST_DIR"), "../../../shared/data/roaring", &format!("{name}.zip")];
    let zip = std::fs::read(path.iter().collect::<PathBuf>()).ok()?;
    Some(entries(&zip).iter().map(|text| numbers(text)).collect())
}

fn numbers(text: &str) -> Vec<u32> {
    text.trim().split(',').map(|number| number.trim().parse().unwrap()).collect()
}

/// The files of an archive, by its central directory.
fn entries(zip: &[u8]) -> Vec<String> {
    let u16_at = |at: usize| usize::from(u16::from_le_bytes(zip[at..at + 2].try_into().unwrap()));
    let u32_at = |at: usize| u32::from_le_bytes(zip[at..at + 4].try_into().unwrap()) as usize;
    let end = (0..zip.len() - 3).rev().find(|at| zip[*at..].starts_with(b"PK\x05\x06")).unwrap();
    let mut at = u32_at(end + 16);
    let mut texts = Vec::new();
    while zip[at..].starts_with(b"PK\x01\x02") {
        let (method, packed, local) = (u16_at(at + 10), u32_at(at + 20), u32_at(at + 42));
        let start = local + 30 + u16_at(local + 26) + u16_at(local + 28);
        let bytes = &zip[start..start + packed];
        let mut text = String::new();
        match method {
            0 => text.push_str(std::str::from_utf8(bytes).unwrap()),
            _ => {
                DeflateDecoder::new(bytes).read_to_string(&mut text).unwrap();
            }
        }
        if !text.trim().is_empty() {
            texts.push(text);
        }
        at += 46 + u16_at(at + 28) + u16_at(at + 30) + u16_at(at + 32);
    }
    texts
}
