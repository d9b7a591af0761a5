//! Settings of a name server: Java properties text in, one checked struct out.

mod property;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::properties_text::{self, PropertiesTextError};

use self::property::{PROPERTIES, Property, WITHOUT_MEANING, nearest_key};

/// Keys that no request may change: with them a tool could write any file of the name server's user.
const BLACK_LIST: &[&str] = &["configBlackList", "configStorePath", "kvConfigPath"];

/// Checked settings. The names in parentheses are RocketMQ's property names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// TCP port of all requests (`listenPort`, 9876).
    pub listen_port: u16,
    /// Local address to listen on (`bindAddress`, all IPv4 addresses).
    pub bind_address: IpAddr,
    /// A connection without traffic for this long is closed (`serverChannelMaxIdleTimeSeconds`, 120 s).
    pub idle_max: Duration,
    /// File of the KV table (`kvConfigPath`, `~/namesrv/kvConfig.json`).
    pub kv_config_path: PathBuf,
    /// Where a change of these settings by a tool is kept (`configStorePath`, `~/namesrv/namesrv.properties`; with
    /// `-c FILE` that file, so that the change is there after a restart).
    pub config_store_path: PathBuf,
    /// More keys that no request may change, joined by `;` (`configBlackList`).
    pub config_black_list: String,
    /// Route answers carry the order topic's queue list (`orderMessageEnable`, false).
    pub order_message_enable: bool,
    /// Registration answers carry the order topics' queue lists (`returnOrderTopicConfigToBroker`, true).
    pub return_order_topic_config_to_broker: bool,
    /// Time between two looks for silent brokers (`scanNotActiveBrokerInterval`, 10 s: half of the newer reference's
    /// scans, a twelfth of the 120 s that a broker may be silent).
    pub scan_interval: Duration,
    /// A group without a master shows its smallest id as the master (`supportActingMaster`, false).
    pub support_acting_master: bool,
    /// Tools may list all topics (`enableAllTopicList`, true).
    pub enable_all_topic_list: bool,
    /// Tools may list the topics of a cluster and the unit topics (`enableTopicList`, true).
    pub enable_topic_list: bool,
    /// A topic that a broker no longer registers is dropped (`deleteTopicWithBrokerRegistration`, false).
    pub delete_topic_with_broker_registration: bool,
    /// Refuse route queries for a while after the start, until brokers had the time to register
    /// (`needWaitForService`, false).
    pub need_wait_for_service: bool,
    /// How long (`waitSecondsForService`, 45 s).
    pub wait_for_service: Duration,
    /// Whether there is an endpoint for metrics and health (`metricsExporterType`, `PROM`; `DISABLE` switches it off).
    pub shows_metrics: bool,
    /// Local address it listens on (`metricsPromExporterHost`, `bindAddress`).
    pub metrics_address: Option<IpAddr>,
    /// Where it listens (`metricsPromExporterPort`, `auto`: 5556 or the next free port below it).
    pub metrics_port: Option<u16>,
    /// Keys that are known but do nothing here, as they were given: tools show them again.
    without_meaning: BTreeMap<&'static str, String>,
}

/// Why settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is no properties text.
    #[error("{origin}: {source}")]
    Text {
        /// Which file or request.
        origin: String,
        /// Where in it.
        source: PropertiesTextError,
    },
    /// A key that neither RocketMQ's name server nor this one has.
    #[error("{origin} line {line}: unknown key `{key}`, the nearest known is `{nearest}`")]
    UnknownKey {
        /// Which file or request.
        origin: String,
        /// Line in it, from 1.
        line: usize,
        /// The key as given.
        key: String,
        /// What was probably meant.
        nearest: &'static str,
    },
    /// A value that its key cannot have.
    #[error("{origin} line {line}: `{key}={value}`: {expected}")]
    BadValue {
        /// Which file or request.
        origin: String,
        /// Line in it, from 1.
        line: usize,
        /// The key.
        key: &'static str,
        /// The value as given.
        value: String,
        /// What the key takes.
        expected: &'static str,
    },
    /// A tool tried to change a key that only the file may set.
    #[error("`{key}` can only be changed in the configuration file")]
    BlackListed {
        /// The key.
        key: String,
    },
}

/// Settings and what is to be said about them once.
#[derive(Debug)]
pub struct Loaded {
    /// The checked settings.
    pub config: Config,
    /// One sentence for each key that has no effect here.
    pub warnings: Vec<String>,
}

/// What to do with a key that is not known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UnknownKeys {
    Refuse,
    /// Tools of other releases send keys that only those have; the reference answers success.
    Ignore,
}

impl Config {
    /// The defaults for a user whose home folder is `home`.
    pub fn with_home(home: &Path) -> Self {
        let folder = home.join("namesrv");
        Self {
            listen_port: 9876,
            bind_address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            idle_max: Duration::from_secs(120),
            kv_config_path: folder.join("kvConfig.json"),
            config_store_path: folder.join("namesrv.properties"),
            config_black_list: BLACK_LIST.join(";"),
            order_message_enable: false,
            return_order_topic_config_to_broker: true,
            scan_interval: Duration::from_secs(10),
            support_acting_master: false,
            enable_all_topic_list: true,
            enable_topic_list: true,
            delete_topic_with_broker_registration: false,
            need_wait_for_service: false,
            wait_for_service: Duration::from_secs(45),
            shows_metrics: true,
            metrics_address: None,
            metrics_port: None,
            without_meaning: BTreeMap::new(),
        }
    }

    /// These settings with those of `text`, the content of the file `path`, which from now on also keeps changes.
    ///
    /// # Errors
    /// A text that is not properties, an unknown key, a value that its key cannot have.
    pub fn load(mut self, path: &Path, text: &str) -> Result<Loaded, ConfigError> {
        let warnings = self.apply(&path.display().to_string(), text, UnknownKeys::Refuse)?;
        self.config_store_path = path.to_owned();
        Ok(Loaded { config: self, warnings })
    }

    /// These settings with the changes that a tool sent (318).
    ///
    /// # Errors
    /// As [`Config::load`] but for unknown keys, and [`ConfigError::BlackListed`].
    pub fn update(&self, text: &str) -> Result<Loaded, ConfigError> {
        let origin = "request";
        let entries = parse(origin, text)?;
        if let Some((_, key, _)) = entries.iter().find(|(_, key, _)| self.is_black_listed(key)) {
            return Err(ConfigError::BlackListed { key: key.clone() });
        }
        let mut config = self.clone();
        let warnings = config.apply(origin, text, UnknownKeys::Ignore)?;
        Ok(Loaded { config, warnings })
    }

    /// All settings as sorted `key=value` lines.
    pub fn to_text(&self) -> String {
        let known = PROPERTIES.iter().map(|property| (property.key, (property.get)(self)));
        let without_meaning = self.without_meaning.iter().map(|(key, value)| (*key, value.clone()));
        let pairs: Vec<_> = known.chain(without_meaning).collect();
        properties_text::format(pairs.iter().map(|(key, value)| (*key, value.as_str())))
    }

    fn is_black_listed(&self, key: &str) -> bool {
        BLACK_LIST.contains(&key) || self.config_black_list.split(';').any(|listed| listed.trim() == key)
    }

    /// Returns what is to be said about keys that have no effect.
    fn apply(&mut self, origin: &str, text: &str, unknown: UnknownKeys) -> Result<Vec<String>, ConfigError> {
        let mut warnings = BTreeMap::new();
        for (line, key, value) in parse(origin, text)? {
            // java.util.Properties keeps blanks at the end of a value; no setting here means them.
            let value = value.trim();
            if let Some(property) = PROPERTIES.iter().find(|property| property.key == key) {
                self.set(property, origin, line, value)?;
            } else if let Some((key, why)) = WITHOUT_MEANING.iter().find(|(known, _)| *known == key) {
                self.without_meaning.insert(key, value.to_owned());
                warnings.insert(*key, format!("{origin} line {line}: `{key}` has no effect: {why}"));
            } else if unknown == UnknownKeys::Refuse {
                let nearest = nearest_key(&key);
                return Err(ConfigError::UnknownKey { origin: origin.to_owned(), line, key, nearest });
            }
        }
        Ok(warnings.into_values().collect())
    }

    fn set(&mut self, property: &Property, origin: &str, line: usize, value: &str) -> Result<(), ConfigError> {
        (property.set)(self, value).map_err(|expected| ConfigError::BadValue {
            origin: origin.to_owned(),
            line,
            key: property.key,
            value: value.to_owned(),
            expected,
        })
    }
}

fn parse(origin: &str, text: &str) -> Result<Vec<(usize, String, String)>, ConfigError> {
    properties_text::parse(text).map_err(|source| ConfigError::Text { origin: origin.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Config {
        Config::with_home(Path::new("/home/mq"))
    }

    fn load(text: &str) -> Result<Loaded, ConfigError> {
        defaults().load(Path::new("/etc/namesrv.conf"), text)
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        let Loaded { config, warnings } = load("# nothing\n").unwrap();
        assert_eq!(
            config,
            Config { config_store_path: "/etc/namesrv.conf".into(), ..defaults() },
            "only the place for changes differs"
        );
        assert!(warnings.is_empty());
        assert_eq!(config.listen_port, 9876);
        assert_eq!(config.scan_interval, Duration::from_secs(10));
        assert_eq!(config.kv_config_path, Path::new("/home/mq/namesrv/kvConfig.json"));
    }

    #[test]
    fn every_setting_reads_back_from_the_text_it_is_shown_as() {
        let text = "listenPort=19876\nbindAddress=127.0.0.1\nserverChannelMaxIdleTimeSeconds=60\n\
            kvConfigPath=/kv.json\nconfigBlackList=listenPort\norderMessageEnable=true\n\
            returnOrderTopicConfigToBroker=false\nscanNotActiveBrokerInterval=5000\nsupportActingMaster=TRUE\n\
            enableAllTopicList=false\nenableTopicList=false\ndeleteTopicWithBrokerRegistration=true\n\
            needWaitForService=true\nwaitSecondsForService=7\nproductEnvName=center\n\
            metricsExporterType=DISABLE\nmetricsPromExporterHost=127.0.0.1\nmetricsPromExporterPort=15556\n";
        let config = load(text).unwrap().config;
        assert_eq!(config.listen_port, 19876);
        assert_eq!(config.scan_interval, Duration::from_secs(5));
        assert_eq!((config.shows_metrics, config.metrics_port), (false, Some(15_556)));
        let shown = config.to_text();
        assert_eq!(load(&shown).unwrap().config, config);
        assert!(shown.contains("supportActingMaster=true\n"), "{shown}");
        assert!(shown.contains("productEnvName=center\n"), "{shown}");
        let mut sorted: Vec<_> = shown.lines().collect();
        sorted.sort_unstable();
        assert_eq!(shown.lines().collect::<Vec<_>>(), sorted);
    }

    #[test]
    fn a_key_without_meaning_is_accepted_with_one_warning_that_says_why() {
        let Loaded { warnings, .. } = load("serverWorkerThreads=8\n\nserverWorkerThreads=9\n").unwrap();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("/etc/namesrv.conf line 3: `serverWorkerThreads` has no effect: "));
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_the_nearest() {
        let error = load("\nlistenport=9876").unwrap_err();
        assert_eq!(
            error.to_string(),
            "/etc/namesrv.conf line 2: unknown key `listenport`, the nearest known is `listenPort`"
        );
        let error = load("orderMesageEnabled=true").unwrap_err();
        assert!(error.to_string().ends_with("`orderMessageEnable`"), "{error}");
    }

    #[test]
    fn a_bad_value_is_an_error_that_says_what_the_key_takes() {
        for (text, expected) in [
            ("listenPort=98765", "`listenPort=98765`: a port, 0 to 65535"),
            ("bindAddress=here", "`bindAddress=here`: an IP address"),
            ("orderMessageEnable=yes", "`orderMessageEnable=yes`: true or false"),
            ("scanNotActiveBrokerInterval=0", "`scanNotActiveBrokerInterval=0`: a number of milliseconds, at least 1"),
            ("kvConfigPath=", "`kvConfigPath=`: a path"),
            ("metricsPromExporterPort=0", "`metricsPromExporterPort=0`: a port, 1 to 65535, or auto"),
            ("metricsExporterType=LOG", "`metricsExporterType=LOG`: PROM or DISABLE"),
        ] {
            let error = load(text).unwrap_err().to_string();
            assert_eq!(error, format!("/etc/namesrv.conf line 1: {expected}"));
        }
    }

    #[test]
    fn a_broken_escape_is_an_error_with_its_line() {
        let error = load("listenPort=9876\nkvConfigPath=C:\\users").unwrap_err().to_string();
        assert!(error.starts_with("/etc/namesrv.conf: line 2: "), "{error}");
    }

    #[test]
    fn a_tool_changes_known_keys_and_its_unknown_ones_are_ignored() {
        let Loaded { config, .. } = defaults().update("orderMessageEnable=true\nnoSuchKey=1\n").unwrap();
        assert_eq!(config, Config { order_message_enable: true, ..defaults() });
    }

    #[test]
    fn a_tool_cannot_change_a_black_listed_key() {
        for key in ["configBlackList", "configStorePath", "kvConfigPath"] {
            let error = defaults().update(&format!("orderMessageEnable=true\n{key}=/tmp/x\n")).unwrap_err();
            assert!(matches!(error, ConfigError::BlackListed { key: refused } if refused == key));
        }
        let stricter = load("configBlackList=listenPort; orderMessageEnable").unwrap().config;
        assert!(matches!(stricter.update("listenPort=1"), Err(ConfigError::BlackListed { .. })));
        assert!(matches!(stricter.update("orderMessageEnable=true"), Err(ConfigError::BlackListed { .. })));
        assert!(matches!(stricter.update("kvConfigPath=/x"), Err(ConfigError::BlackListed { .. })), "always listed");
    }

    #[test]
    fn a_tool_cannot_set_a_bad_value() {
        assert!(matches!(defaults().update("listenPort=x"), Err(ConfigError::BadValue { .. })));
    }
}
