//! Messages of files that may be damaged.

use rten_onnx::protobuf::{DecodeMessage, ErrorKind, OwnedValues, ProtobufError, ReadValue};

/// Decodes a message.
pub fn decode<M: DecodeMessage<Types = OwnedValues>>(bytes: &[u8]) -> Result<M, ProtobufError> {
    M::decode(Reader { bytes, position: 0 })
}

/// Reads what lies in the file, and nothing twice. The reader of rten-onnx 0.27 allocates whatever a length asks for,
/// skips backwards by one above `i64::MAX`, and does not end at a number of more than ten bytes.
struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], ProtobufError> {
        let left = &self.bytes[self.position..];
        let taken = left.get(..len).ok_or_else(|| ProtobufError::new(ErrorKind::Eof))?;
        self.position += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtobufError> {
        self.take(N)?.try_into().map_err(|_| ProtobufError::new(ErrorKind::Eof))
    }
}

impl ReadValue for Reader<'_> {
    type Types = OwnedValues;

    fn read_i32(&mut self) -> Result<i32, ProtobufError> {
        self.array().map(i32::from_le_bytes)
    }

    fn read_i64(&mut self) -> Result<i64, ProtobufError> {
        self.array().map(i64::from_le_bytes)
    }

    fn read_varint(&mut self) -> Result<u64, ProtobufError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ProtobufError::new(ErrorKind::InvalidVarint))
    }

    fn read_bytes(&mut self, len: usize) -> Result<Vec<u8>, ProtobufError> {
        self.take(len).map(<[u8]>::to_vec)
    }

    fn read_string(&mut self, len: usize) -> Result<String, ProtobufError> {
        String::from_utf8(self.read_bytes(len)?).map_err(|_| ProtobufError::new(ErrorKind::InvalidUtf8))
    }

    fn skip(&mut self, len: usize) -> Result<(), ProtobufError> {
        self.take(len).map(drop)
    }

    fn position(&self) -> u64 {
        self.position as u64
    }
}
