//! Real data: places, film reviews, encyclopedia articles.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use flate2::read::GzDecoder;

use crate::workload::mix;

/// Bytes from which on lines of reviews are a passage.
const PASSAGE_LEN: usize = 300;

/// The places of the world that the repository itself holds, see `tests/data/README.md`.
fn cities() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/cities.csv.gz")
}

/// So many points, `[longitude, latitude]`: the places of the world over and over, each moved by up
/// to a twentieth of a degree, so that no two are the same.
///
/// # Errors
///
/// When the file cannot be read.
pub(crate) fn points(count: usize) -> Result<Vec<[f64; 2]>> {
    let mut places = Vec::new();
    for line in lines(&cities())?.skip(1) {
        let line = line?;
        let mut fields = line.split(',').skip(1);
        let mut next = || fields.next().and_then(|field| field.parse::<f64>().ok());
        let (latitude, longitude) = (next(), next());
        places.push(longitude.zip(latitude).with_context(|| format!("no place: {line}"))?);
    }
    ensure!(!places.is_empty(), "{} holds no places", cities().display());
    let shift = |number: u64| (mix(number) >> 11) as f64 / (1_u64 << 53) as f64 / 10.0 - 0.05;
    let point =
        |(number, (x, y)): (u64, &(f64, f64))| [x + shift(number * 2), y + shift(number * 2 + 1)];
    Ok((0..).zip(places.iter().cycle()).take(count).map(point).collect())
}

/// The lines of a file that is compressed with gzip.
///
/// # Errors
///
/// When the file cannot be opened.
pub(crate) fn lines(path: &Path) -> Result<impl Iterator<Item = std::io::Result<String>>> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    Ok(BufReader::new(GzDecoder::new(file)).lines())
}

/// The text files of an archive, by their names.
///
/// # Errors
///
/// When the archive cannot be read or holds none.
pub(crate) fn texts(path: &Path) -> Result<Vec<String>> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut archive = zip::ZipArchive::new(file)?;
    let mut names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    names.retain(|name| Path::new(name).extension().is_some_and(|end| end == "txt"));
    names.sort();
    let mut texts = Vec::new();
    for name in names {
        let mut bytes = Vec::new();
        archive.by_name(&name)?.read_to_end(&mut bytes)?;
        texts.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    ensure!(texts.len() > 1, "{} holds no texts", path.display());
    Ok(texts)
}

/// Reviews cut into passages of a few sentences.
pub(crate) fn passages(reviews: &[String]) -> Vec<String> {
    let mut passages = Vec::new();
    for review in reviews {
        let mut passage = String::new();
        for line in review.lines() {
            passage.push_str(line);
            passage.push('\n');
            if passage.len() >= PASSAGE_LEN {
                passages.push(std::mem::take(&mut passage));
            }
        }
        if !passage.is_empty() {
            passages.push(passage);
        }
    }
    passages
}

/// The bodies of articles, one JSON object a line.
///
/// # Errors
///
/// When the file cannot be read.
pub(crate) fn articles(path: &Path) -> Result<Vec<String>> {
    let body = |line: std::io::Result<String>| {
        let article: serde_json::Value = serde_json::from_str(&line?)?;
        Ok(article["body"].as_str().unwrap_or_default().to_owned())
    };
    lines(path)?.map(body).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_places_and_all_different() {
        let points = points(200_000).unwrap();
        assert_eq!(points.len(), 200_000);
        assert!(points.iter().all(|[x, y]| x.abs() < 181.0 && y.abs() < 91.0));
        let distinct: std::collections::HashSet<[u64; 2]> =
            points.iter().map(|point| point.map(f64::to_bits)).collect();
        assert_eq!(distinct.len(), points.len());
    }

    #[test]
    fn passages_hold_all_lines_in_order() {
        let review = "a sentence of a review .\n".repeat(40);
        let passages = passages(std::slice::from_ref(&review));
        assert_eq!(passages.concat(), review);
        assert!(passages.len() > 2 && passages[..2].iter().all(|one| one.len() >= PASSAGE_LEN));
    }
}
