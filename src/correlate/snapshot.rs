//! The memory as bytes, and back.
//!
//! What is few stands there as JSON; what is many (episodes, habits, deadlines, what was learnt of
//! label pairs) is packed, with one table for all texts, so that ten thousand alerts take two or
//! three megabytes. Called by `machine` for its snapshots.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::deadlines::Deadlines;
use super::filter::Filter;
use super::heartbeats::Heartbeat;
use super::histories::Histories;
use super::learned::Learned;
use super::memory::{Counters, Memory};
use super::similar::{Past, PastIncident};
use crate::domain::packed::{Heard, Packer, Unpacker, Unreadable};
use crate::domain::{Change, EpisodeId, Incident, Name, Rules, Timestamp, Topology};

/// What stands there as JSON. A list beside each map: JSON has only text as keys.
#[derive(Serialize, Deserialize)]
struct Few {
    rules: Rules,
    time: Option<Timestamp>,
    counters: Counters,
    incidents: Vec<Incident>,
    changes: Vec<Change>,
    topology: Topology,
    heartbeats: Vec<(EpisodeId, Heartbeat)>,
    learned: Learned,
    live_at: BTreeMap<Name, Timestamp>,
    past: Vec<PastIncident>,
}

/// Numbers texts in the order in which they come.
#[derive(Default)]
struct TextTable {
    numbers: HashMap<Arc<str>, u64>,
    texts: Vec<Arc<str>>,
}

impl TextTable {
    fn number(&mut self, text: &str) -> u64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u64;
        let text: Arc<str> = Arc::from(text);
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }
}

/// The whole memory between two records.
///
/// # Errors
/// When it cannot be written as JSON, which would be a fault of ours.
pub(super) fn write(memory: &Memory) -> Result<Vec<u8>, String> {
    let few = serde_json::to_vec(&Few {
        rules: memory.rules.clone(),
        time: memory.time,
        counters: memory.counters,
        incidents: memory.incidents.values().cloned().collect(),
        changes: memory.changes.values().cloned().collect(),
        topology: memory.topology.clone(),
        heartbeats: memory.heartbeats.iter().map(|(k, v)| (*k, v.clone())).collect(),
        learned: memory.learned.without_many(),
        live_at: memory.live_at.clone(),
        past: memory.past.to_list(),
    })
    .map_err(|error| error.to_string())?;
    let mut table = TextTable::default();
    let mut number = |text: &str| Some(table.number(text));
    let mut packer = Packer::new(&mut number);
    let base = memory.time.unwrap_or(Timestamp::EPOCH);
    packer.count(memory.episodes.len() as u64);
    memory.episodes.each(|episode| {
        packer.count(episode.id.0);
        packer.moment(episode.last_word_at, base);
        packer.moment_if_any(episode.lease, base);
        packer.count(episode.deliveries);
        packer.episode(episode);
    });
    memory.deadlines.pack(&mut packer, base);
    memory.histories.pack(&mut packer, base);
    memory.learned.pack_many(&mut packer, base);
    memory.forgotten.pack(&mut packer);
    let many = packer.finish();
    let mut bytes = Vec::with_capacity(few.len() + many.len() * 2);
    for part in [&few, &many] {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part);
    }
    let mut inline = |_: &str| None;
    let mut texts = Packer::new(&mut inline);
    texts.count(table.texts.len() as u64);
    table.texts.iter().for_each(|text| texts.text(text));
    bytes.extend(texts.finish());
    Ok(bytes)
}

/// The memory as it was written.
///
/// # Errors
/// When the bytes are not what [`write()`] wrote.
pub(super) fn read(bytes: &[u8]) -> Result<Memory, String> {
    let (few, rest) = part(bytes).ok_or("it is cut")?;
    let (many, rest) = part(rest).ok_or("it is cut")?;
    let few: Few = serde_json::from_slice(few).map_err(|error| error.to_string())?;
    let texts = read_texts(rest).map_err(|error| error.to_string())?;
    let mut memory = Memory::new();
    memory.time = few.time;
    memory.counters = few.counters;
    memory.heartbeats = few.heartbeats.into_iter().collect();
    memory.learned = few.learned;
    memory.live_at = few.live_at;
    memory.past = Past::from_list(few.past);
    memory.set_rules(few.rules);
    memory.set_topology(few.topology);
    let mut find = |number: u64| usize::try_from(number).ok().and_then(|n| texts.get(n)).cloned();
    read_many(&mut memory, &mut Unpacker::new(many, &mut find)).map_err(|e| e.to_string())?;
    few.incidents.into_iter().for_each(|incident| memory.put_incident(incident));
    few.changes.into_iter().for_each(|change| memory.put_change(change));
    memory.count_begun();
    memory.half_know();
    Ok(memory)
}

fn read_many(memory: &mut Memory, unpacker: &mut Unpacker<'_>) -> Result<(), Unreadable> {
    let base = memory.time.unwrap_or(Timestamp::EPOCH);
    for _ in 0..unpacker.count()? {
        let id = EpisodeId(unpacker.count()?);
        let heard = Heard {
            last_word_at: unpacker.moment(base)?,
            lease: unpacker.moment_if_any(base)?,
            deliveries: unpacker.count()?,
        };
        let episode = unpacker.episode(id, heard)?;
        memory.put_episode(episode);
        memory.episodes.tidy();
    }
    memory.deadlines = Deadlines::unpack(unpacker, base)?;
    memory.histories = Histories::unpack(unpacker, base)?;
    memory.learned.unpack_many(unpacker, base)?;
    memory.forgotten = Filter::unpack(unpacker)?;
    Ok(())
}

fn read_texts(bytes: &[u8]) -> Result<Vec<Arc<str>>, Unreadable> {
    let mut none = |_: u64| None;
    let mut unpacker = Unpacker::new(bytes, &mut none);
    (0..unpacker.count()?).map(|_| unpacker.text()).collect()
}

/// The part at the beginning, and the rest.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(8)?;
    let length = length.iter().rev().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    rest.split_at_checked(usize::try_from(length).ok()?)
}
