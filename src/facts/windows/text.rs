//! A Windows host's bytes as text. Its tools print in the code page of the console, which the host
//! tells by its number; what has no place in that code page they print as `?`.

use encoding_rs::Encoding;

/// What stands where a character was lost.
const LOST: char = '\u{fffd}';

/// How the host's bytes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodePage {
    /// A code page of one byte a character: the upper half of its table.
    OneByte(u16),
    /// One that the web knows too.
    Web(&'static Encoding),
    /// Unknown: only ASCII can be read.
    Ascii,
}

impl CodePage {
    /// The code page with this number.
    pub fn of_number(number: u16) -> Self {
        // The web's tables are those of Windows, under the web's names.
        let label: &[u8] = match number {
            65001 => b"utf-8",
            932 => b"windows-31j",
            936 => b"gbk",
            949 => b"windows-949",
            950 => b"big5",
            1250 => b"windows-1250",
            1251 => b"windows-1251",
            1252 => b"windows-1252",
            1253 => b"windows-1253",
            1254 => b"windows-1254",
            1255 => b"windows-1255",
            1256 => b"windows-1256",
            1257 => b"windows-1257",
            1258 => b"windows-1258",
            54936 => b"gb18030",
            _ => b"",
        };
        match Encoding::for_label(label) {
            Some(encoding) => Self::Web(encoding),
            None if oem_cp::code_table::DECODING_TABLE_CP_MAP.contains_key(&number) => Self::OneByte(number),
            None => Self::Ascii,
        }
    }

    /// The text, with U+FFFD for what was lost on the host (a `?` may be nothing else) or here.
    pub fn text(self, bytes: &[u8]) -> String {
        lossy(&self.verbatim(bytes))
    }

    /// The text, with every `?` that the host printed.
    pub fn verbatim(self, bytes: &[u8]) -> String {
        if bytes.is_ascii() {
            return bytes.iter().map(|byte| char::from(*byte)).collect();
        }
        match self {
            Self::Web(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
            Self::OneByte(number) => {
                let table = oem_cp::code_table::DECODING_TABLE_CP_MAP.get(&number);
                table.map_or_else(|| ascii(bytes), |table| table.decode_string_lossy(bytes))
            }
            Self::Ascii => ascii(bytes),
        }
    }
}

/// Takes every `?` for a character that the host could not print.
pub(super) fn lossy(text: &str) -> String {
    text.replace('?', "\u{fffd}")
}

fn ascii(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { LOST }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_code_pages_of_the_world() {
        let read = |number, bytes: &[u8]| CodePage::of_number(number).text(bytes);
        assert_eq!(read(850, b"f\x81r"), "für");
        assert_eq!(read(437, b"f\x81r"), "für");
        assert_eq!(read(866, b"\x8a\xa0\xe1\xaf\xa5\xe0"), "Каспер");
        assert_eq!(read(1251, b"\xca\xe0\xf1"), "Кас");
        assert_eq!(read(932, b"\x83J\x83X"), "カス");
        // The second byte of this one is a backslash.
        assert_eq!(read(932, b"\x83\\"), "ソ");
        assert_eq!(read(936, b"\xbf\xa8"), "卡");
        assert_eq!(read(65001, "ß".as_bytes()), "ß");
        assert_eq!(read(0, b"f\x81r"), "f\u{fffd}r");
        assert_eq!(read(65001, b"f\x81r"), "f\u{fffd}r");
    }

    #[test]
    fn a_question_mark_may_be_any_lost_character() {
        assert_eq!(CodePage::of_number(437).text(b"?? x"), "\u{fffd}\u{fffd} x");
        assert_eq!(CodePage::of_number(437).verbatim(b"\\??\\C:"), "\\??\\C:");
    }
}
