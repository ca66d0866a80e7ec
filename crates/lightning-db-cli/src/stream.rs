//! Files as streams of plain bytes, whatever they are compressed with.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use lightning_db::sql::files;

use crate::context::Context;
use crate::failure::Failure;
use crate::format::Compression;
use crate::progress::Progress;

const BUFFER: usize = 256 << 10;

/// Opens a file to read its plain bytes. The progress counts the bytes of the file itself.
pub(crate) fn open(
    context: &Context,
    path: &Path,
    compression: Compression,
) -> Result<(Box<dyn Read>, Progress), Failure> {
    let file = File::open(path).map_err(Failure::file("open", path))?;
    let len = file.metadata().map_err(Failure::file("measure", path))?.len();
    let progress = Progress::of(context, len);
    let file = BufReader::with_capacity(BUFFER, progress.count(file));
    let plain = decompress(file, compression).map_err(Failure::file("read", path))?;
    Ok((plain, progress))
}

/// Undoes a compression.
pub(crate) fn decompress(
    source: impl BufRead + 'static,
    compression: Compression,
) -> io::Result<Box<dyn Read>> {
    Ok(match compression {
        Compression::None => Box::new(source),
        Compression::Gzip => Box::new(MultiGzDecoder::new(source)),
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(source)?),
    })
}

/// A file that is being written. It gets its name when it is complete.
pub(crate) enum NewFile {
    Plain(files::NewFile),
    Gzip(GzEncoder<files::NewFile>),
    Zstd(zstd::Encoder<'static, files::NewFile>),
}

impl NewFile {
    /// Starts a file; one of the same name stays until this one is complete.
    pub(crate) fn create(path: &Path, compression: Compression) -> Result<Self, Failure> {
        let file = files::NewFile::create(path)?;
        Ok(match compression {
            Compression::None => Self::Plain(file),
            Compression::Gzip => Self::Gzip(GzEncoder::new(file, flate2::Compression::default())),
            Compression::Zstd => {
                let encoder = zstd::Encoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL);
                Self::Zstd(encoder.map_err(Failure::file("compress", path))?)
            }
        })
    }

    /// Completes the file, brings it to the disk, and gives it its name.
    pub(crate) fn finish(self, path: &Path) -> Result<(), Failure> {
        let file = match self {
            Self::Plain(file) => Ok(file),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        };
        Ok(file.map_err(Failure::file("write", path))?.finish()?)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // `finish` writes everything; a flush in between would only spoil the compression.
        Ok(())
    }
}
