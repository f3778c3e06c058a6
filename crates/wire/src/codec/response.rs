//! The fields of each response.

use super::{Entry, Frame, FrameError, FrameReader, FrameWriter, Response};
use crate::frames::{Item, Kind, Version};
use crate::primitive::{Reader, Writer};

impl Frame for Response {
    fn put(&self, out: &mut FrameWriter) {
        match self {
            Response::Hello {
                version,
                uid,
                gid,
                pid1_catches,
                pid1_is_init,
            } => {
                let fields = out.kind(1);
                fields.u32(*version);
                fields.u32(*uid);
                fields.u32(*gid);
                fields.u64(*pid1_catches);
                fields.flag(*pid1_is_init);
            }
            Response::Entries(entries) => out.kind(2).list(entries, put_entry),
            Response::Done => {
                out.kind(3);
            }
            Response::Refused {
                permission,
                message,
            } => {
                let fields = out.kind(4);
                fields.flag(*permission);
                fields.bytes(message.as_bytes());
            }
            Response::Exited {
                code,
                output,
                took_us,
            } => {
                let fields = out.kind(5);
                fields.i32(*code);
                fields.bytes(output);
                fields.u64(*took_us);
            }
            Response::Listed { whole, items } => {
                let fields = out.kind(20);
                fields.u32(*whole);
                fields.list(items, put_item);
            }
            Response::Content {
                version,
                mode,
                data,
            } => {
                let fields = out.kind(21);
                fields.u64(version.inode);
                fields.u64(version.size);
                fields.u64(version.modified_ns);
                fields.u32(*mode);
                fields.bytes(data);
            }
            Response::Stirred { folders, made } => {
                let fields = out.kind(22);
                fields.list(folders, |fields, folder| fields.bytes(folder));
                fields.list(made, |fields, folder| fields.bytes(folder));
            }
        }
    }

    fn get(kind: u8, number: u32, fields: &mut FrameReader<'_>) -> Result<Self, FrameError> {
        let fields = &mut fields.0;
        Ok(match kind {
            1 => Response::Hello {
                version: fields.u32()?,
                uid: fields.u32()?,
                gid: fields.u32()?,
                pid1_catches: fields.u64()?,
                pid1_is_init: fields.flag()?,
            },
            2 => Response::Entries(fields.list(get_entry)?),
            3 => Response::Done,
            4 => Response::Refused {
                permission: fields.flag()?,
                message: fields.text()?,
            },
            5 => Response::Exited {
                code: fields.i32()?,
                output: fields.bytes()?,
                took_us: fields.u64()?,
            },
            20 => Response::Listed {
                whole: fields.u32()?,
                items: fields.list(get_item)?,
            },
            21 => Response::Content {
                version: Version {
                    inode: fields.u64()?,
                    size: fields.u64()?,
                    modified_ns: fields.u64()?,
                },
                mode: fields.u32()?,
                data: fields.bytes()?,
            },
            22 => Response::Stirred {
                folders: fields.list(|f| f.bytes())?,
                made: fields.list(|f| f.bytes())?,
            },
            _ => return Err(FrameError::Unknown { number, kind }),
        })
    }
}

fn put_item(fields: &mut Writer, item: &Item) {
    fields.u32(item.folder);
    fields.bytes(&item.name);
    fields.u8(match item.kind {
        Kind::File => 1,
        Kind::Folder => 2,
        Kind::Symlink => 3,
        Kind::Other => 4,
        Kind::Mount => 5,
    });
    fields.u32(item.mode);
    fields.u64(item.size);
    fields.u64(item.modified_ns);
}

fn get_item(fields: &mut Reader<'_>) -> Result<Item, FrameError> {
    Ok(Item {
        folder: fields.u32()?,
        name: fields.bytes()?,
        kind: match fields.u8()? {
            1 => Kind::File,
            2 => Kind::Folder,
            3 => Kind::Symlink,
            4 => Kind::Other,
            5 => Kind::Mount,
            _ => return Err(FrameError::Field("an item of an unknown kind")),
        },
        mode: fields.u32()?,
        size: fields.u64()?,
        modified_ns: fields.u64()?,
    })
}

fn put_entry(fields: &mut Writer, entry: &Entry) {
    match entry {
        Entry::Absent => fields.u8(0),
        Entry::File { hash, mode, size } => {
            fields.u8(1);
            fields.u128(*hash);
            fields.u32(*mode);
            fields.u64(*size);
        }
        Entry::Folder => fields.u8(2),
        Entry::Symlink(target) => {
            fields.u8(3);
            fields.bytes(target);
        }
        Entry::Other => fields.u8(4),
    }
}

fn get_entry(fields: &mut Reader<'_>) -> Result<Entry, FrameError> {
    Ok(match fields.u8()? {
        0 => Entry::Absent,
        1 => Entry::File {
            hash: fields.u128()?,
            mode: fields.u32()?,
            size: fields.u64()?,
        },
        2 => Entry::Folder,
        3 => Entry::Symlink(fields.bytes()?),
        4 => Entry::Other,
        _ => return Err(FrameError::Field("an entry of an unknown kind")),
    })
}
