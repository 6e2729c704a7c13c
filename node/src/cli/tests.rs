//! Command lines and what they mean; and that every text exists in every language.

use super::flags::{self, Command, Flags};
use super::invocation::{Action, PullOrder, Request, understand};
use super::{Lang, QuotaChange, help};
use crate::api::event::ExportOrder;
use crate::api::event::care::{RoomOrder, ScrubOrder};
use crate::words::{source, texts};
use clap::CommandFactory as _;
use fluent_bundle::FluentResource;
use karez_content_tools::speech::{self, Voice};
use karez_protocol::plan::limiter::{BytesPerSecond, Rates};
use karez_protocol::swarm::io::EgressMode;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

fn action(line: &str) -> Result<Action, String> {
    let words = ["karez", "--home", "/h"].into_iter().chain(line.split(' '));
    let matches = help::command(Lang::En).try_get_matches_from(words).map_err(|error| error.to_string())?;
    let flags = flags::read(&matches).map_err(|error| error.to_string())?;
    let voice = Voice { json: false, texts: texts(Lang::En), english: texts(Lang::En) };
    let understood = understand(flags, voice).map(|invocation| invocation.action);
    understood.map_err(|refused| refused.0.texts.complain(&refused.1))
}

#[test]
fn client_commands_are_understood() {
    let name = || "bj4/algebra-1".parse().unwrap();
    let pull = |item: Option<&str>, to: &str| {
        let (item, to) = (item.map(str::to_owned), PathBuf::from(to));
        PullOrder { collection: name(), item, to, overwrite: false, exact_names: false, link: false }
    };
    let play = |item: Option<&str>, open| Request::Play {
        collection: name(),
        item: item.map(str::to_owned),
        height: None,
        open,
    };
    for (line, request) in [
        ("search 代数 二", Request::Search("代数 二".into())),
        ("search", Request::Search(String::new())),
        ("show bj4/algebra-1", Request::Show(name())),
        ("pull bj4/algebra-1", Request::Pull(pull(None, "./algebra-1"))),
        ("pull bj4/algebra-1 3 --to /media/usb", Request::Pull(pull(Some("3"), "/media/usb"))),
        (
            "pull bj4/algebra-1 --overwrite --exact-names",
            Request::Pull(PullOrder { overwrite: true, exact_names: true, ..pull(None, "./algebra-1") }),
        ),
        ("pull bj4/algebra-1 --link", Request::Pull(PullOrder { link: true, ..pull(None, "./algebra-1") })),
        ("follow bj4/algebra-1", Request::Follow(name(), true)),
        ("unfollow bj4/algebra-1 --json", Request::Follow(name(), false)),
        ("ls --lang zh", Request::List),
        ("play bj4/algebra-1 2 --open", play(Some("2"), true)),
        ("play bj4/algebra-1", play(None, false)),
        ("status --watch", Request::Status { watch: true }),
        ("request --to /media/usb", Request::CourierRequest("/media/usb".into())),
        ("import /media/usb", Request::Import("/media/usb".into())),
        ("pin bj4/algebra-1@3", Request::Pin("bj4/algebra-1@3".parse().unwrap(), true)),
        ("unpin bj4/algebra-1", Request::Pin("bj4/algebra-1".parse().unwrap(), false)),
        ("pins", Request::Pins),
        ("gc --dry-run", Request::Room(RoomOrder { dry_run: true, free_bytes: None, last_copies: false })),
        (
            "gc --free 20G --last-copies",
            Request::Room(RoomOrder { dry_run: false, free_bytes: Some(20_000_000_000), last_copies: true }),
        ),
        ("quota", Request::Quota(QuotaChange::Show)),
        ("quota 500G", Request::Quota(QuotaChange::Set(500_000_000_000))),
        ("quota --lift", Request::Quota(QuotaChange::Lift)),
        ("scrub --rate 20M --resume", Request::Scrub(ScrubOrder { rate: Some(20_000_000), resume: true, stop: false })),
        (
            "export bj4/algebra-1 --for minqin --to /media/usb --no-check",
            Request::Export(ExportOrder {
                collections: vec!["bj4/algebra-1".into()],
                site: Some("minqin".into()),
                have: None,
                to: "/media/usb".into(),
                check: false,
            }),
        ),
    ] {
        match action(line) {
            Ok(Action::Client(found)) => assert_eq!(found, request, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn run_flags_are_understood() {
    let Ok(Action::Run(run)) = action("run") else { panic!("run") };
    assert_eq!((run.listen.to_string(), run.gateway.map(|at| at.port())), ("[::]:4041".into(), Some(4080)));
    assert_eq!((run.rates, run.mode), (Rates::default(), EgressMode::Thrifty));
    let line = "run --listen [::]:0 --gateway off --up-mbit 20 --down-mbit 0.5 --mode fast --announce 10.0.0.1:1 \
                --announce 10.0.0.2:2 --queue-ms 25 --proxy http://li:pw@proxy.school:3128";
    let Ok(Action::Run(run)) = action(line) else { panic!("{line}") };
    let rates = Rates { up: BytesPerSecond(2_500_000), down: BytesPerSecond(62_500), ..Rates::default() };
    assert_eq!((run.gateway, run.rates), (None, rates));
    assert_eq!((run.mode, run.announce.len()), (EgressMode::Fast, 2));
    assert_eq!(run.queue.as_millis(), 25);
    assert_eq!(run.proxy.map(|proxy| proxy.to_string()), Some("proxy.school:3128".into()));
}

#[test]
fn nonsense_names_what_is_wrong() {
    for (line, named) in [
        ("show algebra", "PUBLISHER/NAME"),
        ("pull a/b/c", "PUBLISHER/NAME"),
        ("publish . --as a/b --kind film", "consultation"),
        ("run --listen 4041", "--listen"),
        ("run --proxy proxy:3128", "--proxy"),
        ("join karez1:x --proxy socks5://proxy:1080", "http://"),
        ("run --gateway on", "--gateway"),
        ("run --up-mbit -1", "-1"),
        ("run --up-mbit=-1", "--up-mbit"),
        ("run --down-mbit NaN", "--down-mbit"),
        ("run --mode slow", "--mode"),
        ("run --queue-ms 0", "--queue-ms"),
        ("run --queue-ms 8.5", "8.5"),
        ("run --announce example.org:1", "--announce"),
        ("frobnicate", "frobnicate"),
        ("pin algebra", "@VERSION"),
        ("quota 5G --lift", "--lift"),
        ("quota many", "20M"),
        ("gc --last-copies", "--free"),
        ("scrub --rate 0", "20M"),
        ("scrub --stop --resume", "--resume"),
        ("publish .", "--as"),
    ] {
        match action(line) {
            Err(text) => assert!(text.contains(named), "{line}: {text}"),
            Ok(found) => panic!("{line}: {found:?}"),
        }
    }
}

/// Keys of a locale with the arguments that each text uses.
fn keys(lang: Lang) -> BTreeMap<String, BTreeSet<String>> {
    let source = [source(lang), lang.shared()].join("\n");
    FluentResource::try_new(source.clone()).map_err(|(_, errors)| errors).expect("the locale parses");
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in source.lines().filter(|line| !line.starts_with('#')) {
        if let Some((key, _)) = line.split_once(" =").filter(|(key, _)| !key.starts_with(' ')) {
            current = key.to_owned();
            assert!(keys.insert(current.clone(), BTreeSet::new()).is_none(), "{lang:?}: {current} twice");
        }
        let arguments = line.split("{ $").skip(1).filter_map(|rest| rest.split([' ', '}']).next());
        keys.entry(current.clone()).or_default().extend(arguments.map(str::to_owned));
    }
    keys.remove("");
    keys
}

#[test]
fn both_languages_have_the_same_texts_with_the_same_arguments() {
    assert_eq!(keys(Lang::Zh), keys(Lang::En));
}

/// The sources of this module, tests aside.
fn sources() -> Vec<(PathBuf, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files: Vec<PathBuf> = ["cli.rs", "main.rs", "handle/sentence.rs", "gateway/refusal.rs", "trouble.rs"]
        .map(|name| root.join(name))
        .to_vec();
    files.extend(std::fs::read_dir(root.join("cli")).unwrap().map(|entry| entry.unwrap().path()));
    let rust = files.into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "rs"));
    let code = |path: PathBuf| (path.clone(), std::fs::read_to_string(path).unwrap());
    rust.map(code).filter(|(path, _)| !path.ends_with("cli/tests.rs")).collect()
}

#[test]
fn every_text_used_exists_and_every_text_is_used() {
    let known = keys(Lang::En);
    let sources = sources();
    for (path, code) in &sources {
        for call in ["say(\"", "text(\"", "(\"error-", "(\"fault-", "(\"problem-", "\"column-", "at(\""] {
            for (at, _) in code.match_indices(call) {
                let start = at + call.find('"').unwrap() + 1;
                let key = code[start..].split('"').next().unwrap();
                assert!(known.contains_key(key) || key.ends_with('-'), "{}: no text '{key}'", path.display());
            }
        }
    }
    // Texts for `main` are used there, or will be.
    let of_main = ["init-", "join-", "run-"];
    // What all programs say is said for them.
    let is_own = |key: &str| source(Lang::En).lines().any(|line| line.starts_with(&format!("{key} =")));
    for key in known.keys().filter(|key| is_own(key) && !of_main.iter().any(|prefix| key.starts_with(prefix))) {
        let quoted = format!("\"{key}\"");
        assert!(sources.iter().any(|(_, code)| code.contains(&quoted)), "'{key}' is never said");
    }
}

#[test]
fn all_help_is_in_chinese_too() {
    let root = Flags::command();
    let mut commands = vec![&root];
    commands.extend(root.get_subcommands());
    for command in commands {
        assert!(speech::help::chinese(help::CHINESE, command.get_name()).is_some(), "{}", command.get_name());
        for argument in
            command.get_arguments().filter(|argument| !argument.is_global_set() || command.get_name() == "karez")
        {
            let key = speech::help::key_of(command.get_name(), argument.get_id().as_str());
            assert!(speech::help::chinese(help::CHINESE, &key).is_some(), "{key}");
        }
    }
}

#[test]
fn chinese_help_is_complete_and_sound() {
    let mut command = help::command(Lang::Zh);
    command.build();
    command.clone().debug_assert();
    let text = command.render_long_help().to_string();
    assert!(text.contains("用法：") && text.contains("取回") && !text.contains("Print"), "{text}");
    for sub in help::command(Lang::Zh).get_subcommands() {
        let name = sub.get_name();
        let shown = help::command(Lang::Zh).try_get_matches_from(["karez", name, "--help"]).unwrap_err().to_string();
        assert!(shown.contains("用法：") && !shown.contains("Print"), "{shown}");
    }
}

#[test]
fn flags_agree_with_clap() {
    Flags::command().debug_assert();
    let matches = help::command(Lang::Zh).try_get_matches_from(["karez", "ls", "--json"]).unwrap();
    let flags = flags::read(&matches).unwrap();
    assert!(flags.json && matches!(flags.command, Command::Ls));
}

#[test]
fn wrong_usage_is_explained_in_chinese() {
    let texts = texts(Lang::Zh);
    for (line, said) in [
        ("karez frobnicate", "没有“frobnicate”这个命令"),
        ("karez shwo a/b", "是不是 show？"),
        ("karez ls --what", "没有“--what”这个参数"),
        ("karez", "请给出命令：init、join"),
        ("karez show", "缺少 <COLLECTION>"),
        ("karez quota 5G --lift", "不能与 --lift 同时使用"),
        ("karez play a/b --height x", "“x”不能用作 --height <LINES>：选用不高于此画面高度的版本"),
        ("karez pull a/b --to", "--to <DIR> 后面需要一个值"),
        ("karez completions dos", "bash、elvish"),
    ] {
        let command = help::command(Lang::Zh);
        let error = command.clone().try_get_matches_from(line.split(' ')).unwrap_err();
        let shown = speech::usage::chinese(&error, &command, &texts);
        assert!(shown.contains(said) && shown.contains("--help") && !shown.contains("Usage"), "{line}: {shown}");
        assert!(speech::usage::english(&error).is_ascii(), "{line}");
    }
}
