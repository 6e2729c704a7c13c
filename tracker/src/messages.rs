//! What the commands say, in English and Chinese. `{}` stands for the arguments in order.

use crate::admission::OrderError;
use crate::cli::CommandError;
use crate::home::HomeError;
use crate::tracker::RevokeError;

/// A language of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Chinese,
}

impl Language {
    /// By the flag, else by the environment as POSIX orders it.
    pub(crate) fn choose(flag: Option<&str>) -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale =
            flag.map(str::to_owned).or_else(|| ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(variable));
        if locale.is_some_and(|locale| locale.starts_with("zh")) { Self::Chinese } else { Self::English }
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $english:literal, $chinese:literal;)*) => {
        /// Every message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Text { $($(#[$doc])* $name,)* }

        impl Text {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$name,)*];

            const fn columns(self) -> (&'static str, &'static str) {
                match self { $(Self::$name => ($english, $chinese),)* }
            }
        }
    };
}

texts! {
    Made: "Network '{}' made in {}. Its id is {}",
        "已在 {1} 创建网络“{0}”，网络编号为 {2}";
    KeepKey: "Keep a copy of {} in a safe place: without it the network has no tracker",
        "请把 {} 另存一份并妥善保管：丢失它，网络就失去了追踪服务器";
    NextRun: "Next: karez-tracker --home {} run --public-url http://HOST:4040   (HOST: how sites reach this machine)",
        "下一步：karez-tracker --home {} run --public-url http://主机:4040   （主机：各站点访问本机所用的地址）";
    NextInvite: "Then: karez-tracker --home {} invite --name school1   prints the line for `karez join`",
        "然后：karez-tracker --home {} invite --name school1   打印供 `karez join` 使用的邀请";
    Ready: "Listening on {}. Stop with Ctrl-C",
        "正在 {} 上提供服务，按 Ctrl-C 停止";
    NeedsPublicUrl: "No public address is known: run with --public-url http://HOST:PORT, or give each invite its --url",
        "尚不知道对外地址：请用 --public-url http://主机:端口 启动，或在每次邀请时用 --url 指定";
    InviteUse: "For '{}', once, within {} hours: karez join INVITE",
        "供“{}”使用一次，{} 小时内有效：karez join 邀请";
    Revoked: "{} ({}) is no longer a member. Nodes learn it with their next announce",
        "{}（{}）已被移出网络，各节点将在下次联系时得知";
    NoMembers: "No members yet: karez-tracker invite --name school1",
        "还没有成员：请运行 karez-tracker invite --name school1";
    NeverSeen: "never seen", "从未出现";
    SecondsAgo: "seen {} s ago", "{} 秒前出现";
    Status: "Network '{}' ({})\nmembers {}, collections {}, roster version {}\naddress {}",
        "网络“{}”（{}）\n成员 {}，资源集 {}，名册版本 {}\n地址 {}";
    HomeExists: "", "{0} 里已有一个追踪服务器，未做任何改动。请用 --home 另选文件夹，或直接运行 `run`";
    HomeMissing: "", "{0} 里没有追踪服务器：请先运行 karez-tracker --home {0} init";
    HomeHalf: "", "{0} 里缺少 {1}：请从备份恢复该文件，或移走此文件夹后重新 `init`";
    HomeKey: "", "{0} 不是本追踪服务器的密钥：请从备份恢复";
    HomeRunning: "", "{0} 上已有一个 karez-tracker 在运行：请先停止它";
    BadName: "", "“{0}”不能用作名称：须为 1 到 64 个字符，不含 '/' 和控制字符，首尾无空格";
    BadDomain: "", "“{0}”不能用作区域：须为以 '/' 相连的名称，由大到小，例如 gansu/minqin";
    BadWeight: "", "权重 {0} 过大：0 只为自己引入，2 为普通站点，5 为县级枢纽，最大 10";
    BadHours: "", "邀请的有效期不能是 {0} 小时：须为 1 到 8784 小时";
    NameTaken: "", "已有成员叫“{0}”：请另选 --name，或先用 `revoke` 移除它";
    NamespaceTaken: "", "发布者“{0}”属于成员“{1}”：请另选 --publisher，或先用 `revoke` 移除它";
    NoAddress: "", "邀请中没有可用的地址：请用 --url http://主机:端口 说明站点如何访问本服务器";
    BadAddress: "", "“{0}”不是服务器地址：格式为 http://主机:端口";
    Unknown: "", "没有叫“{0}”的成员：请查看 `karez-tracker members`";
    PortTaken: "", "{0} 已被其他程序占用：请停止该程序，或用 --listen 另选端口";
    Listen: "", "无法在 {0} 上监听（{1}）：请用 --listen 另选地址";
    NoHome: "", "没有主文件夹：请用 --home 指定追踪服务器所在的文件夹";
    NetworkName: "", "网络名称须为 1 到 100 个字符，不含控制字符";
    Other: "", "{0}";
}

/// A message with its arguments.
pub(crate) fn text(language: Language, text: Text, arguments: &[&str]) -> String {
    let (english, chinese) = text.columns();
    fill(if language == Language::Chinese || english.is_empty() { chinese } else { english }, arguments)
}

/// Puts arguments in one pass, so that braces inside an argument stay what they are.
fn fill(pattern: &str, arguments: &[&str]) -> String {
    let (mut filled, mut rest, mut next) = (String::new(), pattern, 0);
    while let Some((before, after)) = rest.split_once('{') {
        let Some((place, behind)) = after.split_once('}') else { break };
        let index = place.parse().unwrap_or(next);
        filled.push_str(before);
        filled.push_str(arguments.get(index).copied().unwrap_or_default());
        (rest, next) = (behind, index + 1);
    }
    filled + rest
}

/// An error in the reader's language. English is what the error itself says.
pub(crate) fn explain(language: Language, error: &CommandError) -> String {
    if language == Language::English {
        return error.to_string();
    }
    let (message, arguments) = chinese(error);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    text(language, message, &arguments)
}

fn chinese(error: &CommandError) -> (Text, Vec<String>) {
    match error {
        CommandError::Home(error) => chinese_home(error),
        CommandError::Order(error) => chinese_order(error),
        CommandError::Revoke(RevokeError::Unknown(who)) => (Text::Unknown, vec![who.clone()]),
        CommandError::PortTaken { address } => (Text::PortTaken, vec![address.to_string()]),
        CommandError::Listen { address, source } => (Text::Listen, vec![address.to_string(), source.to_string()]),
        CommandError::NoHome => (Text::NoHome, vec![]),
        CommandError::NetworkName => (Text::NetworkName, vec![]),
        other => (Text::Other, vec![other.to_string()]),
    }
}

fn chinese_home(error: &HomeError) -> (Text, Vec<String>) {
    match error {
        HomeError::Exists { home } => (Text::HomeExists, vec![home.display().to_string()]),
        HomeError::Missing { home } => (Text::HomeMissing, vec![home.display().to_string()]),
        HomeError::Half { home, missing } => (Text::HomeHalf, vec![home.display().to_string(), (*missing).to_owned()]),
        HomeError::Key { path } => (Text::HomeKey, vec![path.display().to_string()]),
        HomeError::Running { home } => (Text::HomeRunning, vec![home.display().to_string()]),
        other => (Text::Other, vec![other.to_string()]),
    }
}

fn chinese_order(error: &OrderError) -> (Text, Vec<String>) {
    match error {
        OrderError::Name(name) => (Text::BadName, vec![name.clone()]),
        OrderError::Domain(domain) => (Text::BadDomain, vec![domain.clone()]),
        OrderError::Weight(weight) => (Text::BadWeight, vec![weight.to_string()]),
        OrderError::Hours(hours) => (Text::BadHours, vec![hours.to_string()]),
        OrderError::NameTaken(name) => (Text::NameTaken, vec![name.clone()]),
        OrderError::NamespaceTaken { namespace, owner } => {
            (Text::NamespaceTaken, vec![namespace.to_string(), owner.clone()])
        }
        OrderError::NoAddress => (Text::NoAddress, vec![]),
        OrderError::Address(url) => (Text::BadAddress, vec![url.clone()]),
        other => (Text::Other, vec![other.to_string()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_columns_take_the_same_arguments() {
        let arguments = ["<a>", "<b>", "<c>", "<d>", "<e>", "<f>"];
        for message in Text::ALL {
            let (english, chinese) = message.columns();
            assert!(!chinese.is_empty(), "{message:?}");
            let used = |pattern: &str| {
                let filled = fill(pattern, &arguments);
                arguments.iter().filter(|argument| filled.contains(**argument)).count()
            };
            assert!(english.is_empty() || used(english) == used(chinese), "{message:?}");
        }
    }

    #[test]
    fn braces_in_an_argument_stay() {
        assert_eq!(fill("{} in {}", &["{1}", "b"]), "{1} in b");
        assert_eq!(fill("{1}, {0}, {1}", &["a", "b"]), "b, a, b");
    }
}
