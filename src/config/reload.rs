//! What a reload cannot change.
//!
//! Called by the application after it has read the configuration anew.

use std::fmt::Debug;

use super::Config;

/// One sentence for every setting that differs and holds only from the next start on. Everything
/// else takes effect with the reload.
#[must_use]
pub fn restart_only_differences(old: &Config, new: &Config) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |key: &str, old: &dyn Debug, new: &dyn Debug| {
        let (old, new) = (format!("{old:?}"), format!("{new:?}"));
        if old != new {
            differences.push(format!("{key} is {old} until scribed is restarted, then {new}"));
        }
    };
    compare("web.listen_addresses", &old.web.listen_addresses, &new.web.listen_addresses);
    compare("web.max_connections", &old.web.max_connections, &new.web.max_connections);
    let (old_header, new_header) = (old.web.timeouts.header, new.web.timeouts.header);
    compare("web.timeouts.header", &old_header.to_std(), &new_header.to_std());
    let (old_drain, new_drain) = (old.web.timeouts.drain, new.web.timeouts.drain);
    compare("web.timeouts.drain", &old_drain.to_std(), &new_drain.to_std());
    compare("web.config_file", &old.web.config_file, &new.web.config_file);
    compare("storage.path", &old.storage.path, &new.storage.path);
    compare("log.level", &old.log.level, &new.log.level);
    compare("log.format", &old.log.format, &new.log.format);
    differences
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::LogFormat;
    use super::*;

    #[test]
    fn only_what_needs_a_restart_is_told() {
        let old = Config::default_config();
        let mut new = old.clone();
        new.timezone = "Africa/Lagos".to_owned();
        new.web.max_body = 1;
        assert_eq!(restart_only_differences(&old, &new), Vec::<String>::new());
        new.storage.path = PathBuf::from("/srv");
        new.web.listen_addresses = vec![":1".to_owned()];
        assert_eq!(
            restart_only_differences(&old, &new),
            [
                "web.listen_addresses is [\"127.0.0.1:7274\"] until scribed is restarted, then \
                 [\":1\"]",
                "storage.path is \"./data\" until scribed is restarted, then \"/srv\"",
            ]
        );
    }
    #[test]
    fn the_documentation_names_what_needs_a_restart() {
        let old = Config::default_config();
        let mut new = old.clone();
        new.web.listen_addresses.clear();
        new.web.max_connections += 1;
        new.web.timeouts.header = new.web.timeouts.header.times(2);
        new.web.timeouts.drain = new.web.timeouts.drain.times(2);
        new.web.config_file = Some(PathBuf::from("web.yml"));
        new.storage.path = PathBuf::from("/srv");
        new.log.level = "debug".to_owned();
        new.log.format = LogFormat::Json;
        let keys: Vec<String> = restart_only_differences(&old, &new)
            .iter()
            .map(|line| format!("`{}`", line.split(' ').next().unwrap()))
            .collect();
        let documentation = include_str!("../../docs/configuration.md");
        assert_eq!(keys.len(), 8);
        assert!(documentation.contains(&keys.join(", ")), "{}", keys.join(", "));
    }
}
