//! Raw data: everything the report is made of, in one file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use host::Machine;
use serde::{Deserialize, Serialize};

use crate::error::CompareError;
use crate::figure::Figure;
use crate::scope::Scope;
use crate::settings::Settings;
use crate::side::Side;
use crate::spread::Spread;

/// Version of the file's form. It goes up when a member changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// One comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// Which comparison.
    #[serde(default)]
    pub scope: Scope,
    /// When it began, UTC.
    pub started_at: String,
    /// When the last measurement ended, UTC.
    pub ended_at: String,
    /// Commit of the sources, with `-dirty` if they were changed; `None` outside a repository.
    pub commit: Option<String>,
    /// What ran, in its own words: program and version.
    pub versions: BTreeMap<String, String>,
    /// The command that makes this comparison again.
    pub command: String,
    /// Where it ran.
    pub machine: Machine,
    /// How.
    pub settings: Settings,
    /// How each broker was started, once for each stage and side.
    pub setups: Vec<Setup>,
    /// What was measured, in the order of time.
    pub measurements: Vec<Measurement>,
}

/// How a broker was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Whose.
    pub side: Side,
    /// For what.
    pub stage: String,
    /// The command, with `WORK` for the work folder.
    pub command: String,
    /// Its configuration file, the same way.
    pub configuration: String,
}

/// One case of one side in one round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Id of the case.
    pub case: String,
    /// Whose.
    pub side: Side,
    /// Counted from 1.
    pub round: u32,
    /// What came out.
    pub figures: BTreeMap<Figure, f64>,
    /// Requests that were refused or not answered.
    pub failed_requests: u64,
    /// What produced it: the load's command, without the flags that differ from machine to machine.
    pub command: String,
    /// What a reader should know before believing it.
    pub notes: Vec<String>,
    /// Messages of each second of the window.
    pub messages_each_second: Vec<u64>,
    /// The latencies, as HdrHistogram's compressed form V2 in base64, in microseconds.
    pub histogram_v2_deflate_base64: Option<String>,
}

impl Measurement {
    /// An empty one.
    #[must_use]
    pub fn new(case: &str, side: Side, round: u32) -> Self {
        Self {
            case: case.to_owned(),
            side,
            round,
            figures: BTreeMap::new(),
            failed_requests: 0,
            command: String::new(),
            notes: Vec::new(),
            messages_each_second: Vec::new(),
            histogram_v2_deflate_base64: None,
        }
    }
}

impl Record {
    /// A figure of all rounds.
    #[must_use]
    pub fn spread(&self, case: &str, side: Side, figure: Figure) -> Option<Spread> {
        Spread::of(self.rounds(case, side).filter_map(|measurement| measurement.figures.get(&figure).copied()))
    }

    /// A case of one side, in the order of rounds.
    pub fn rounds<'a>(&'a self, case: &'a str, side: Side) -> impl Iterator<Item = &'a Measurement> {
        self.measurements.iter().filter(move |measurement| measurement.case == case && measurement.side == side)
    }

    /// A figure in one round.
    #[must_use]
    pub fn in_round(&self, case: &str, side: Side, round: u32, figure: Figure) -> Option<f64> {
        self.rounds(case, side).find(|measurement| measurement.round == round)?.figures.get(&figure).copied()
    }

    /// Remembers how a broker was started, unless the same is known.
    pub fn add_setup(&mut self, setup: Setup) {
        let known = |other: &Setup| other.side == setup.side && other.stage == setup.stage;
        if !self.setups.iter().any(known) {
            self.setups.push(setup);
        }
    }

    /// Writes it compressed, next to the file first, so that there is always a whole one.
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), CompareError> {
        let beside = path.with_extension("new");
        let failed = || CompareError::file("write", &beside);
        let file = File::create(&beside).map_err(failed())?;
        let mut encoder = GzEncoder::new(BufWriter::new(file), Compression::best());
        serde_json::to_writer(&mut encoder, self).map_err(|error| failed()(error.into()))?;
        encoder.finish().and_then(|mut file| file.flush()).map_err(failed())?;
        fs::rename(&beside, path).map_err(CompareError::file("write", path))
    }

    /// Reads one back, compressed or not.
    /// # Errors
    /// It cannot be read, is no raw data, or of another form.
    pub fn load(path: &Path) -> Result<Self, CompareError> {
        let file = File::open(path).map_err(CompareError::file("open", path))?;
        let mut bytes = Vec::new();
        let is_compressed = path.extension().is_some_and(|ending| ending == "gz");
        let read = if is_compressed {
            GzDecoder::new(BufReader::new(file)).read_to_end(&mut bytes)
        } else {
            BufReader::new(file).read_to_end(&mut bytes)
        };
        read.map_err(CompareError::file("read", path))?;
        let malformed =
            |source| CompareError::Malformed { path: path.to_owned(), expected: "raw data of a comparison", source };
        /// Read first: what else is there depends on it.
        #[derive(Deserialize)]
        struct Form {
            schema: u32,
        }
        let Form { schema } = serde_json::from_slice(&bytes).map_err(malformed)?;
        if schema != SCHEMA {
            return Err(CompareError::RecordSchema { path: path.to_owned(), found: schema, known: SCHEMA });
        }
        serde_json::from_slice(&bytes).map_err(malformed)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Three rounds of one figure for both sides.
    pub(crate) fn record(case: &str, figure: Figure, apache: [f64; 3], turbopump: [f64; 3]) -> Record {
        let mut measurements = Vec::new();
        for round in 1..=3u32 {
            for (side, values) in [(Side::Apache, apache), (Side::Turbopump, turbopump)] {
                let mut measurement = Measurement::new(case, side, round);
                measurement.figures.insert(figure, values[round as usize - 1]);
                measurements.push(measurement);
            }
        }
        Record {
            schema: SCHEMA,
            scope: Scope::Broker,
            started_at: "2026-05-04T12:00:00Z".to_owned(),
            ended_at: "2026-05-04T12:50:00Z".to_owned(),
            commit: Some("0123456789abcdef".to_owned()),
            versions: [("Apache RocketMQ".to_owned(), "5.5.0".to_owned())].into(),
            command: "mqcompare run".to_owned(),
            machine: Machine::default(),
            settings: Settings::usual(23 << 30),
            setups: Vec::new(),
            measurements,
        }
    }

    #[test]
    fn what_was_saved_is_loaded_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("raw.json.gz");
        let record = record("1x64", Figure::P999Us, [19_700.0, 21_000.0, 18_500.0], [800.0, 790.0, 1600.0]);
        record.save(&path).unwrap();
        record.save(&path).unwrap();
        assert_eq!(Record::load(&path).unwrap(), record);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        let plain = folder.path().join("raw.json");
        fs::write(&plain, serde_json::to_vec(&record).unwrap()).unwrap();
        assert_eq!(Record::load(&plain).unwrap(), record);
    }

    #[test]
    fn another_form_is_refused_before_its_members_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("raw.json");
        fs::write(&path, r#"{"schema": 99, "started_at": 5}"#).unwrap();
        assert!(matches!(Record::load(&path), Err(CompareError::RecordSchema { found: 99, .. })));
        fs::write(&path, "no data").unwrap();
        assert!(matches!(Record::load(&path), Err(CompareError::Malformed { .. })));
    }

    #[test]
    fn a_spread_is_of_all_rounds_of_its_side_and_case() {
        let record = record("1x64", Figure::BrokerCpuUs, [23.0, 25.0, 22.0], [3.0, 4.0, 5.0]);
        let spread = record.spread("1x64", Side::Apache, Figure::BrokerCpuUs).unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (23.0, 22.0, 25.0));
        assert_eq!(record.spread("1x64", Side::Ceiling, Figure::BrokerCpuUs), None);
        assert_eq!(record.spread("1x1", Side::Apache, Figure::BrokerCpuUs), None);
        assert_eq!(record.in_round("1x64", Side::Turbopump, 2, Figure::BrokerCpuUs), Some(4.0));
    }
}
