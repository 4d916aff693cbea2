//! The memory as bytes, and back.
//!
//! What is few stands there as JSON; what is many (episodes, habits, deadlines, what was learnt of
//! label pairs) is packed, with one table for all texts, so that ten thousand alerts take two or
//! three megabytes. It is handed out part by part, so that it is never there as a whole. Called by
//! `machine` for its snapshots.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::deadlines::Deadlines;
use super::dictionary::Dictionary;
use super::filter::Filter;
use super::heartbeats::Heartbeat;
use super::histories::Histories;
use super::learned::Learned;
use super::memory::{Counters, Memory};
use super::similar::{Past, PastIncident};
use crate::domain::packed::{Heard, Packer, Unpacker, Unreadable};
use crate::domain::{Change, EpisodeId, Incident, Name, Rules, Timestamp, Topology};

/// What is handed out at once of what is many.
const PART_BYTES: usize = 256 << 10;

/// What stands there as JSON. A list beside each map: JSON has only text as keys.
#[derive(Serialize, Deserialize)]
struct Few<'a> {
    rules: Cow<'a, Rules>,
    time: Option<Timestamp>,
    counters: Counters,
    incidents: Vec<Cow<'a, Incident>>,
    changes: Vec<Cow<'a, Change>>,
    topology: Cow<'a, Topology>,
    heartbeats: Vec<(EpisodeId, Heartbeat)>,
    learned: Learned,
    live_at: BTreeMap<Name, Timestamp>,
    past: Vec<PastIncident>,
}

/// Hands out the whole memory between two records, part by part: what is few, what is many, and
/// the texts that came again in it.
///
/// # Errors
/// When it cannot be written as JSON, which would be a fault of ours.
pub(super) fn write(memory: &Memory, take: &mut dyn FnMut(&[u8])) -> Result<(), String> {
    let few = serde_json::to_vec(&Few {
        rules: Cow::Borrowed(&memory.rules),
        time: memory.time,
        counters: memory.counters,
        incidents: memory.incidents.values().map(Cow::Borrowed).collect(),
        changes: memory.changes.values().map(Cow::Borrowed).collect(),
        topology: Cow::Borrowed(&memory.topology),
        heartbeats: memory.heartbeats.iter().map(|(k, v)| (*k, v.clone())).collect(),
        learned: memory.learned.without_many(),
        live_at: memory.live_at.clone(),
        past: memory.past.to_list(),
    })
    .map_err(|error| error.to_string())?;
    take(&length_bytes(few.len()));
    take(&few);
    drop(few);
    let mut dictionary = Dictionary::default();
    let mut number = |text: &str| dictionary.number(text);
    let mut packer = Packer::new(&mut number);
    let base = memory.time.unwrap_or(Timestamp::EPOCH);
    packer.count(memory.episodes.len() as u64);
    memory.episodes.each(|episode| {
        packer.count(episode.id.0);
        packer.moment(episode.last_word_at, base);
        packer.moment_if_any(episode.lease, base);
        packer.count(episode.deliveries);
        packer.episode(episode);
        packer.hand_out(PART_BYTES, take);
    });
    memory.deadlines.pack(&mut packer, base);
    packer.hand_out(PART_BYTES, take);
    memory.histories.pack(&mut packer, base);
    packer.hand_out(PART_BYTES, take);
    memory.learned.pack_many(&mut packer, base);
    packer.hand_out(PART_BYTES, take);
    memory.forgotten.pack(&mut packer);
    take(&packer.finish());
    let mut inline = |_: &str| None;
    let mut texts = Packer::new(&mut inline);
    texts.count(dictionary.texts().len() as u64);
    dictionary.texts().iter().for_each(|text| texts.text(text));
    let texts = texts.finish();
    take(&texts);
    take(&length_bytes(texts.len()));
    Ok(())
}

/// The memory as it was written.
///
/// # Errors
/// When the bytes are not what [`write()`] wrote.
pub(super) fn read(bytes: &[u8]) -> Result<Memory, String> {
    let (few, many, texts) = parts(bytes).ok_or("it is cut")?;
    let few: Few<'static> = serde_json::from_slice(few).map_err(|error| error.to_string())?;
    let texts = read_texts(texts).map_err(|error| error.to_string())?;
    let mut memory = Memory::new();
    memory.time = few.time;
    memory.counters = few.counters;
    memory.heartbeats = few.heartbeats.into_iter().collect();
    memory.learned = few.learned;
    memory.live_at = few.live_at;
    memory.past = Past::from_list(few.past);
    memory.set_rules(few.rules.into_owned());
    memory.set_topology(few.topology.into_owned());
    let mut find = |number: u64| usize::try_from(number).ok().and_then(|n| texts.get(n)).cloned();
    read_many(&mut memory, &mut Unpacker::new(many, &mut find)).map_err(|e| e.to_string())?;
    few.incidents.into_iter().for_each(|incident| memory.put_incident(incident.into_owned()));
    few.changes.into_iter().for_each(|change| memory.put_change(change.into_owned()));
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

/// What is few, what is many, and the texts.
fn parts(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (few_length, rest) = bytes.split_at_checked(8)?;
    let (few, rest) = rest.split_at_checked(length_in(few_length)?)?;
    let (rest, texts_length) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
    let many_length = rest.len().checked_sub(length_in(texts_length)?)?;
    let (many, texts) = rest.split_at_checked(many_length)?;
    Some((few, many, texts))
}

fn length_bytes(length: usize) -> [u8; 8] {
    (length as u64).to_le_bytes()
}

fn length_in(bytes: &[u8]) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
}
