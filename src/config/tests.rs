use super::*;

fn with_file(text: &str) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gatecast.toml");
    std::fs::write(&path, text).unwrap();
    let data = DataFlags { config: Some(path), ..DataFlags::default() };
    Settings::load(&ServeFlags { data, ..ServeFlags::default() }).map_err(|error| error.to_string())
}

#[test]
fn the_defaults_are_complete_and_valid() {
    let settings = Settings::load(&ServeFlags::default()).unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.limits.upload, ByteSize(4 << 30));
    assert!(settings.jobs.workers() >= 1);
}

#[test]
fn the_settings_left_open_in_the_defaults_can_be_set_as_written_there() {
    let section = |line: &str| line.starts_with('[');
    let uncommented = |line: &str| line.strip_prefix("# ").filter(|rest| rest.contains(" = ")).map(str::to_owned);
    let kept = DEFAULTS.lines().filter_map(|line| uncommented(line).or_else(|| section(line).then(|| line.to_owned())));
    let settings = with_file(&kept.collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!(settings.jobs.workers, Some(1));
    assert_eq!(settings.database.as_deref(), Some("postgres://gatecast@localhost/gatecast"));
}

#[test]
fn a_flag_overrides_the_file_and_the_file_overrides_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gatecast.toml");
    std::fs::write(&path, "data = 'from-file'\n[jobs]\nthreads = 3\n").unwrap();
    let data = DataFlags { config: Some(path), data: Some("from-flag".into()), ..DataFlags::default() };
    let settings = Settings::load(&ServeFlags { data, ..ServeFlags::default() }).unwrap();
    assert_eq!(settings.data, PathBuf::from("from-flag"));
    assert_eq!(settings.jobs.threads.get(), 3);
    assert_eq!(settings.forecast.threads.get(), 1);
    assert_eq!(settings.jobs.niceness, 10);
}

#[test]
fn an_invalid_setting_is_rejected_in_one_line_that_names_it() {
    for (text, name) in [
        ("lisen = '127.0.0.1:1'", "lisen"),
        ("[limits]\nuplod = '1 GiB'", "uplod"),
        ("listen = 'everywhere'", "listen"),
        ("[limits]\nupload = 'a lot'", "upload"),
        ("[limits]\nbody_seconds = 0", "body_seconds"),
        ("[jobs]\nthreads = 0", "threads"),
        ("[log]\nformat = 'xml'", "format"),
        ("database = 'mysql://localhost'", "database"),
        ("data = ", "TOML"),
    ] {
        let error = with_file(text).unwrap_err();
        assert!(error.contains(name) && !error.contains('\n'), "{text}: {error}");
    }
}

#[test]
fn listening_beyond_loopback_requires_trust_network() {
    let error = with_file("listen = '0.0.0.0:8080'").unwrap_err();
    assert!(error.contains("--trust-network"), "{error}");
    assert!(with_file("listen = '0.0.0.0:8080'\ntrust_network = true").is_ok());
    assert!(with_file("listen = '[::1]:8080'").is_ok());
}

#[test]
fn sizes_are_read_as_written() {
    for (text, bytes) in [("512", 512), ("1 KiB", 1024), ("64MiB", 64 << 20), (" 4 GiB ", 4 << 30)] {
        assert_eq!(text.parse(), Ok(ByteSize(bytes)));
    }
    for text in ["", "GiB", "-1", "1.5 GiB", "99999999999 GiB", "1 GB"] {
        assert!(text.parse::<ByteSize>().is_err(), "{text}");
    }
    assert_eq!(ByteSize(3 << 20).to_string(), "3 MiB");
}

#[test]
fn niceness_is_limited_to_0_to_19() {
    assert_eq!(with_file("[jobs]\nniceness = 19\n").unwrap().jobs.niceness, 19);
    for niceness in [-1, 20] {
        let error = with_file(&format!("[jobs]\nniceness = {niceness}\n")).unwrap_err();
        assert!(error.contains("jobs.niceness"), "{error}");
    }
}
