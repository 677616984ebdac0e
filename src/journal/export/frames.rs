//! A zstd stream of frames of a fixed size, each compressed by itself: the format allows it, every `zstd` reads it,
//! and the same bytes give the same stream on every machine.

use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::io::{self, Read as _, Write};

/// How much goes into one frame, in bytes.
const FRAME: usize = 4 << 20;

/// Compresses what is written to it. What is written last is in the stream only after `finish`.
pub(super) struct Frames<W: Write> {
    drain: W,
    pending: Vec<u8>,
}

impl<W: Write> Frames<W> {
    pub(super) fn new(drain: W) -> Self {
        Self { drain, pending: Vec::new() }
    }

    /// Ends the stream; where it was written to.
    pub(super) fn finish(mut self) -> io::Result<W> {
        if !self.pending.is_empty() {
            self.end_frame()?;
        }
        Ok(self.drain)
    }

    fn end_frame(&mut self) -> io::Result<()> {
        let mut frame = compress_to_vec(self.pending.as_slice(), CompressionLevel::Fastest);
        // Evidence that cannot be unpacked would be found out years later.
        if !is_frame_of(&frame, &self.pending) {
            frame = compress_to_vec(self.pending.as_slice(), CompressionLevel::Uncompressed);
        }
        self.pending.clear();
        self.drain.write_all(&frame)
    }
}

impl<W: Write> Write for Frames<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = FRAME.saturating_sub(self.pending.len());
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.pending.extend_from_slice(taken);
        if self.pending.len() >= FRAME {
            self.end_frame()?;
        }
        Ok(taken.len())
    }

    /// Ends no frame: where frames end depends on the bytes alone.
    fn flush(&mut self) -> io::Result<()> {
        self.drain.flush()
    }
}

/// Whether a frame holds exactly these bytes.
fn is_frame_of(frame: &[u8], bytes: &[u8]) -> bool {
    let mut found = Vec::new();
    StreamingDecoder::new(frame)
        .is_ok_and(|mut decoder| decoder.read_to_end(&mut found).is_ok() && found == bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use std::process::{Command, Stdio};

    fn compressed(bytes: &[u8], chunk: usize) -> Vec<u8> {
        let mut frames = Frames::new(Vec::new());
        for part in bytes.chunks(chunk) {
            frames.write_all(part).unwrap();
        }
        frames.finish().unwrap()
    }

    #[test]
    fn zstd_itself_reads_what_is_written() {
        let mut random = StdRng::seed_from_u64(11);
        for length in [0, 1, 1000, 200_000, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME + 77] {
            // Runs, text and noise.
            let mut bytes: Vec<u8> = Vec::new();
            while bytes.len() < length {
                match random.random_range(0..3) {
                    0 => {
                        bytes.extend(std::iter::repeat_n(random.random::<u8>(), random.random_range(1..5000)))
                    }
                    1 => bytes.extend_from_slice(br#"{"package":{"name":"kesl","version":"12.1.0-1508"}},"#),
                    _ => bytes.extend((0..random.random_range(1..3000)).map(|_| random.random::<u8>())),
                }
            }
            bytes.truncate(length);
            let stream = compressed(&bytes, 64 << 10);
            assert_eq!(stream, compressed(&bytes, 10_007), "{length}: it depends on how it is written");
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &stream).unwrap();
            let mut command = Command::new("zstd");
            let output = command.arg("-dc").arg(file.path()).stdin(Stdio::null()).output().unwrap();
            assert!(output.status.success() || length == 0, "{length}: {output:?}");
            assert!(output.stdout == bytes, "{length} bytes came back as {}", output.stdout.len());
        }
    }
}
