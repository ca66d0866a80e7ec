//! Files as streams of plain bytes, whatever they are compressed with.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

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
pub(crate) struct NewFile {
    path: PathBuf,
    partial: PathBuf,
    target: Target,
}

enum Target {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

impl NewFile {
    /// Starts a file; one of the same name stays until this one is complete.
    pub(crate) fn create(path: &Path, compression: Compression) -> Result<Self, Failure> {
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let partial = PathBuf::from(name);
        let file = File::create(&partial).map_err(Failure::file("make", &partial))?;
        let file = BufWriter::with_capacity(BUFFER, file);
        let target = match compression {
            Compression::None => Target::Plain(file),
            Compression::Gzip => Target::Gzip(GzEncoder::new(file, flate2::Compression::default())),
            Compression::Zstd => {
                let encoder = zstd::Encoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL);
                Target::Zstd(encoder.map_err(Failure::file("compress", &partial))?)
            }
        };
        Ok(Self { path: path.to_owned(), partial, target })
    }

    /// Completes the file, brings it to the disk, and gives it its name.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let file = match self.target {
            Target::Plain(file) => Ok(file),
            Target::Gzip(encoder) => encoder.finish(),
            Target::Zstd(encoder) => encoder.finish(),
        };
        let file = file.and_then(|file| file.into_inner().map_err(io::IntoInnerError::into_error));
        let synced = file.and_then(|file| file.sync_all());
        synced.map_err(Failure::file("write", &self.partial))?;
        std::fs::rename(&self.partial, &self.path).map_err(Failure::file("name", &self.path))
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.target {
            Target::Plain(file) => file.write(bytes),
            Target::Gzip(encoder) => encoder.write(bytes),
            Target::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // `finish` writes everything; a flush in between would only spoil the compression.
        Ok(())
    }
}
