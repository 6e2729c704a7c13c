//! What operating systems say when they refuse something, in the user's language.
//!
//! The standard library ends such a text in its number, `(os error 30)`. The errors that people meet with disks and ports
//! have words in the locales, and keep the number; all others keep the system's own text.

use super::language::Texts;
use rustix::io::Errno;
use std::io::{self, ErrorKind};

/// The key of the words for a system error.
fn key(error: &io::Error) -> Option<&'static str> {
    Some(match error.kind() {
        ErrorKind::ReadOnlyFilesystem => "system-read-only",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "system-no-space",
        ErrorKind::PermissionDenied => "system-permission",
        ErrorKind::NotFound => "system-not-found",
        ErrorKind::AlreadyExists => "system-exists",
        ErrorKind::IsADirectory => "system-is-a-directory",
        ErrorKind::NotADirectory => "system-not-a-directory",
        ErrorKind::TooManyLinks => "system-links",
        ErrorKind::InvalidFilename => "system-name",
        ErrorKind::FileTooLarge => "system-file-too-large",
        ErrorKind::ResourceBusy | ErrorKind::ExecutableFileBusy => "system-busy",
        ErrorKind::AddrInUse => "system-address-in-use",
        ErrorKind::AddrNotAvailable => "system-no-address",
        ErrorKind::ConnectionRefused => "system-refused",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "system-unreachable",
        ErrorKind::TimedOut => "system-timed-out",
        _ => return uncategorized(Errno::from_io_error(error)?),
    })
}

/// Of those that the standard library has no kind for.
fn uncategorized(error: Errno) -> Option<&'static str> {
    Some(match error {
        Errno::IO => "system-io",
        Errno::MFILE | Errno::NFILE => "system-open-files",
        Errno::NXIO | Errno::NODEV => "system-unplugged",
        Errno::LOOP => "system-loop",
        _ => return None,
    })
}

impl Texts {
    /// A text of others with the first system error in it said in this language, or as it is.
    pub(super) fn with_system_words(&self, detail: &str) -> String {
        self.reworded(detail).unwrap_or_else(|| detail.into())
    }

    fn reworded(&self, detail: &str) -> Option<String> {
        let (_, after) = detail.split_once("(os error ")?;
        let number: i32 = after.split_once(')')?.0.parse().ok()?;
        let error = io::Error::from_raw_os_error(number);
        let words = self.say(key(&error)?, &[]);
        let said = self.say("system-error", &[("words", words.into()), ("number", number.to_string().into())]);
        Some(detail.replace(&error.to_string(), &said))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::Lang;

    fn said(lang: Lang, detail: &str) -> String {
        Texts::new(lang, "").say("error-other", &[("detail", detail.into())])
    }

    #[test]
    fn common_system_errors_have_words() {
        for (errno, chinese, english) in [
            (Errno::ROFS, "只读", "read-only"),
            (Errno::NOSPC, "磁盘已满", "disk is full"),
            (Errno::DQUOT, "磁盘已满", "disk is full"),
            (Errno::ACCESS, "没有权限", "no right to"),
            (Errno::PERM, "没有权限", "no right to"),
            (Errno::NOENT, "没有这个文件", "no such file"),
            (Errno::EXIST, "同名", "already"),
            (Errno::ISDIR, "是目录", "is a folder"),
            (Errno::NOTDIR, "不是目录", "is no folder"),
            (Errno::MLINK, "硬链接", "hard links"),
            (Errno::NAMETOOLONG, "名称", "name"),
            (Errno::FBIG, "超过", "larger"),
            (Errno::IO, "读写出错", "read or write"),
            (Errno::BUSY, "正被使用", "in use"),
            (Errno::TXTBSY, "正被使用", "in use"),
            (Errno::MFILE, "太多", "too many"),
            (Errno::NODEV, "不在", "gone"),
            (Errno::LOOP, "链接", "links"),
            (Errno::ADDRINUSE, "占用", "in use"),
            (Errno::ADDRNOTAVAIL, "没有这个地址", "no such address"),
            (Errno::CONNREFUSED, "拒绝", "nothing answers"),
            (Errno::HOSTUNREACH, "无法到达", "no way"),
            (Errno::TIMEDOUT, "没有应答", "no answer"),
        ] {
            let error = io::Error::from(errno);
            let number = errno.raw_os_error().to_string();
            let [zh, en] = [Lang::Zh, Lang::En].map(|lang| said(lang, &format!("a/b: {error}; c")));
            assert!(zh.contains(chinese) && zh.contains(&number) && zh.starts_with("a/b: "), "{errno:?} {zh}");
            assert!(en.contains(english) && en.contains(&number) && en.ends_with("; c"), "{errno:?} {en}");
        }
    }

    #[test]
    fn all_other_texts_stay() {
        let rare = io::Error::from(Errno::XDEV).to_string();
        for text in [rare.as_str(), "", "(os error )", "a (os error x)", "a (os error 30)", "(os error 99999999999)"] {
            assert_eq!(said(Lang::Zh, text), text);
        }
    }
}
