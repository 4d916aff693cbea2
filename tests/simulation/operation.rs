//! What can happen in a life, and how a life is made from a seed.

use scribed_disk::Fault;

use crate::dice::Dice;

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// An Alertmanager tells that these alerts fire, in one body.
    Fire {
        peer: u8,
        alerts: Vec<u8>,
    },
    /// It tells that one is over.
    Recover {
        peer: u8,
        alert: u8,
    },
    /// A body that was sent before comes again.
    Again {
        back: u8,
    },
    /// A firing and its end, both long past.
    Late {
        alert: u8,
        minutes: u16,
    },
    /// Prometheus tells of an alert, with a lease.
    Lease {
        alert: u8,
    },
    /// A body that nothing can be made of.
    Broken {
        bytes: u8,
    },
    /// A deploy.
    Change {
        service: u8,
        key: u8,
    },
    /// Another service graph.
    Topology {
        edges: u8,
    },
    /// Time passes, for all clocks.
    Advance {
        minutes: u16,
    },
    /// The wall clock is set, back or forth.
    StepWall {
        minutes: i16,
    },
    /// The engine works.
    Turn,
    /// A person's doings; numbers that are too large mean nothing that exists.
    Note {
        incident: u8,
    },
    Acknowledge {
        incident: u8,
    },
    Resolve {
        incident: u8,
    },
    Reopen {
        incident: u8,
    },
    Merge {
        incident: u8,
        into: u8,
    },
    Split {
        incident: u8,
    },
    Move {
        episode: u8,
        incident: u8,
    },
    Finalise {
        incident: u8,
    },
    /// Takes back for good what a note says, what a change says, and a name.
    RedactNote {
        note: u8,
    },
    RedactChange {
        change: u8,
    },
    RedactPerson,
    /// A person opens a draft.
    Draft {
        incident: u8,
    },
    /// What is old goes.
    Retain {
        hours: u16,
    },
    /// The program stops in good order and starts again.
    Restart,
    /// The process is killed in the middle of the next writes.
    Kill {
        changes: u8,
    },
    /// The power fails in the middle of the next writes.
    PowerCut {
        changes: u8,
        luck: u64,
    },
    /// The disk refuses, until it is mended.
    Disk(Fault),
    /// The disk refuses this often.
    Hiccup(Fault, u8),
    /// The disk is mended, and the next thing must succeed.
    Mend,
}

/// In the lives from this seed on words are taken back as well.
pub(crate) const TAKING_BACK: u64 = 1_000_001;

/// The list of a seed.
pub(crate) fn life(seed: u64) -> Vec<Operation> {
    let mut dice = Dice::new(seed);
    let length = 10 + dice.below(50);
    (0..length).map(|_| any(&mut dice, seed >= TAKING_BACK)).collect()
}

fn any(dice: &mut Dice, takes_back: bool) -> Operation {
    let incident = dice.small(4) + 1;
    match dice.below(100) {
        48..=49 if takes_back => Operation::Note { incident },
        50..=51 if takes_back => Operation::Finalise { incident },
        54..=56 if takes_back => Operation::RedactNote { note: dice.small(6) + 1 },
        57 if takes_back => Operation::RedactChange { change: dice.small(3) + 1 },
        58 if takes_back => Operation::RedactPerson,
        0..=15 => {
            let alerts = (0..=dice.below(3)).map(|_| dice.small(8)).collect();
            Operation::Fire { peer: dice.small(2), alerts }
        }
        16..=25 => Operation::Recover { peer: dice.small(2), alert: dice.small(8) },
        26..=29 => Operation::Again { back: dice.small(6) },
        30..=32 => {
            let minutes = u16::try_from(dice.below(600)).unwrap();
            Operation::Late { alert: dice.small(8), minutes }
        }
        33..=35 => Operation::Lease { alert: dice.small(8) },
        36 => Operation::Broken { bytes: dice.small(200) },
        37..=38 => Operation::Change { service: dice.small(4), key: dice.small(4) },
        39 => Operation::Topology { edges: dice.small(4) },
        40..=52 => {
            let longest = [3, 15, 90, 900, 3000][usize::from(dice.small(5))];
            Operation::Advance { minutes: u16::try_from(dice.below(longest)).unwrap() }
        }
        53 => Operation::StepWall { minutes: i16::try_from(dice.below(240)).unwrap() - 180 },
        54..=67 => Operation::Turn,
        68..=70 => Operation::Note { incident },
        71 => Operation::Acknowledge { incident },
        72 => Operation::Resolve { incident },
        73 => Operation::Reopen { incident },
        74..=75 => Operation::Merge { incident, into: dice.small(4) + 1 },
        76 => Operation::Split { incident },
        77 => Operation::Move { episode: dice.small(12) + 1, incident },
        78 => Operation::Finalise { incident },
        79..=80 => Operation::Draft { incident },
        81 => Operation::Retain { hours: u16::try_from(dice.below(96)).unwrap() },
        82..=83 => Operation::Restart,
        84..=86 => Operation::Kill { changes: dice.small(40) },
        87..=89 => Operation::PowerCut { changes: dice.small(40), luck: dice.next() },
        90..=92 => Operation::Disk(fault(dice)),
        93..=95 => Operation::Hiccup(fault(dice), dice.small(6) + 1),
        _ => Operation::Mend,
    }
}

fn fault(dice: &mut Dice) -> Fault {
    [Fault::Full, Fault::ReadOnly, Fault::SyncFails, Fault::ReadFails][usize::from(dice.small(4))]
}
