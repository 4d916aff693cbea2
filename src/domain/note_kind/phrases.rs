//! What words speak for which kind of note.
//!
//! Beginnings of words or phrases, parted by `|`. One matches where its first word begins a word of
//! the text; a trailing space asks for the whole word, `^` for the beginning of the text, and ` ~ `
//! stands for a few words. `n't` is `not`. Only data; the rule is in `note_kind`.

use crate::domain::incident::NoteKind;

/// Phrases that speak for a kind.
pub(super) struct Rule {
    pub(super) kind: NoteKind,
    pub(super) phrases: &'static str,
    /// Phrases that take the others' meaning away: the rule then does not speak.
    pub(super) unless: &'static str,
}

/// Best first: a kind that names an outcome (somebody was called, a lead was wrong) comes before
/// the kinds whose words also occur in passing (a restart, a look at the logs). What says why
/// stands behind what says what was done: "rolled back because errors rose" is a deed.
///
/// A mere suspicion is not a wrong lead: only a text that says how it ended is.
pub(super) const RULES: [Rule; 12] = [
    Rule {
        kind: NoteKind::Escalation,
        phrases: "\
escalat|incident declared|declared an incident|declares an incident|\
incident is declared|declare an incident|sev1 declared|major incident|\
severity raised|raised to sev|upgraded to sev|incident commander|incident lead|\
war room|bridge opened|call opened|opened a call|opens a call|conference call|\
called in|team called|team was called|called the|calls the|calls in|pulled in|\
pulls in|brought in|brings in|looped in|loops in|roped in|engaged the|\
engages the|engaged with|team engaged|team involved|involved the|asked to help|\
asked to join|asked for help|asks for help|asked for an urgent|reached out to|\
reaches out to|handed to|handed over|handed off|handoff|hand off|hand over|\
handover|took over from|takes over from|passed on to|passed to the|pinged|\
joined the|joins the|joined to help|joins to help|was woken|woken up|woke up the|\
wakes the on call|wakes the engineer|paged the|pages the|paging the|\
contacted the vendor|contacted vendor|vendor contacted|vendor called|\
vendor engaged|vendor support|contacted support|contacts support|\
contacted the provider|provider contacted|contacted aws|contacted google|\
contacted azure|support case|case raised|case opened|opened a case|ticket with|\
ticket opened with|opened a ticket|opens a ticket|subject matter expert|\
second responder|all hands|more engineers|additional engineers|declared sev|\
declares sev|declaring sev|declared a sev|declared p1|p1 opened|p1 declared|\
p1 raised|raised to p1|raised to p2|upgraded to p1|opened with|raised with|\
paging |on the phone|on call joined|is joining|are joining|he s joining|\
she s joining|they re joining|joining the|called ~ from|need someone|\
need somebody|needs someone|asked ~ for help|asking ~ for help|asks ~ for help|\
incident channel|bridge open|bridge is open|incident opened with|opened sev|\
brought ~ onto the|handing over|contacted |get ~ on the call|asked ~ for|\
dialled in|dialed in|sev 1 call|sev1 call|p1 call|coordinates|coordinating|\
paged ~ as well|paged ~ too|also paged|additionally paged|\
looped ~ in |requested help|requesting help|sev raised|severity raised to",
        unless: "\
paged the on call|pages the on call|paging the on call|paged the primary|\
alert paged|monitoring paged|pagerduty paged|no need to escalat|\
joined the cluster|joined the quorum|joined the ring|joined the replica set|\
joining the cluster|error paging|customers contacted|users contacted|\
asked ~ for logs|asked for a restore",
    },
    Rule {
        kind: NoteKind::Communication,
        phrases: "\
status page|statuspage|announce|customers told|users told|customers were told|\
users were told|customers informed|users informed|customers notified|\
users notified|customers were notified|informed customers|informed users|\
notified customers|notified users|told customers|told users|stakeholders|\
leadership informed|management informed|customer support|support team reports|\
support reports|complain|tweet|posted on social|social media|mail sent|\
e mail sent|email sent|mailed|public statement|statement issued|update sent|\
update posted|posted an update|posts an update|user reports|users report|\
users are reporting|customer reports|customers report|customers are reporting|\
first reports|reports come in|reports from users|reports from customers|\
reports being|reports image|support tickets|tickets come in|calls from|\
press release|blog post|answered|informed |told the |told all |told our |\
support gets|support is getting|support sees|support tells|banner|by mail|\
via mail|by email|via email|emailed|support notified|notified support|\
notified our|notified all|^told |told support|told sales|post published|\
published on|twitter|updated status|\
incident page",
        unless: "\
no reports",
    },
    Rule {
        kind: NoteKind::WrongLead,
        phrases: "\
ruled out|rules out|rule out|red herring|wrong lead|false lead|false trail|\
dead end|wild goose|wrong track|wrong path|wrong direction|wrongly|incorrectly|\
mistakenly|mistaken|misdiagnos|misled|misleading|false alarm|false positive|\
not the cause|not the root cause|not the culprit|not the problem|not the issue|\
not the reason|neither was|neither is|was not it|is not it|a symptom not|\
symptom rather than|turned out not|turns out not|turned out to be unrelated|\
turned out to be wrong|turned out wrong|proved wrong|proves wrong|\
proved to be wrong|proved unrelated|proved unfounded|disproved|disproven|\
hypothesis rejected|theory rejected|hypothesis discarded|discarded|unrelated|\
not related|no relation|no correlation|excluded as|eliminated as|exonerated|\
without effect|without success|without improvement|without result|without change|\
to no avail|in vain|no improvement|no effect|no impact on the|no difference|\
no change in|nothing changed|changed nothing|no help|not help|does not fix|\
did not resolve|does not resolve|did not work|brought nothing|brings nothing|\
brings no|initially thought|initially suspected|initially believed|\
initially assumed|initially blamed|at first blamed|at first suspected|\
at first thought|first suspected|first thought to be|wrong assumption|chased|\
nope|not it |not that |so not the|not dns|innocent|no luck|nothing to do with|\
not to blame|rabbit hole|is dead |theory is out|suspected first|suspected ~ but|\
thought ~ but|thought it was|looked like ~ but|it s not |it is not the|\
its not the|was not the|were not the|did not fix|did not solve|nothing unusual|\
nothing suspicious|nothing wrong with|nothing found in|as innocent",
        unless: "\
user reports|dns did not resolve|names did not resolve|host did not resolve|\
it s not clear|it s not working|it s not yet|it s not only|it s not just",
    },
    Rule {
        kind: NoteKind::Resolution,
        phrases: "\
resolved|all clear|fully restored|fully recovered|fully operational|\
fully functional|fully back|full recovery|full service|full functionality|\
full capacity restored|services restored|service restored|service is restored|\
service was restored|access restored|functionality restored|\
all services restored|all services recovered|all services back|\
all services are back|all services up|all services healthy|\
all services operational|all services work|all systems operational|\
all systems normal|all systems are back|everything works|everything is back|\
everything back|everything is working|everything works again|works again|\
work again|working again|running again|works as expected|working as expected|\
operating normally|operational again|operations are back|normal operation|\
normal operations|work in full|works in full|back to full|back in full|\
back online|is back up|are back up|back in service|up and running|outage ends|\
outage ended|impact ends|impact ended|end of impact|end of the outage|\
incident over|incident is over|incident ends|incident ended|outage over|\
outage is over|incident closed|incident is closed|closed the incident|\
closes the incident|incident downgraded|stood down|stand down|confirmed restored|\
confirmed fixed|confirmed working|confirmed as fixed|fix confirmed|fix verified|\
fix in production|fix is live|fix is in place|brings the services back|\
brought the services back|services back|service back|service is back|\
site is back|site back|service resumes|services resume|no further errors|\
no more errors|no errors since|closing the incident|closing this|closing as|\
closing now|standing down|errors ~ closing|stable ~ closing|closing the ticket|\
all good|customers confirm|customer confirm|users confirm|everything green|\
everything is green|calling it|consider this fixed|considered fixed|\
considered resolved|consider it fixed|consider it resolved|\
impact over|impact is over|^closed|^over ",
        unless: "\
not resolved|not yet resolved|be resolved|alert resolved|alerts resolved|\
not fully|not work again|partly|partially|some |not running again|names resolved",
    },
    Rule {
        kind: NoteKind::Notification,
        phrases: "\
paged|page sent|pager|page received|receives a page|received a page|gets a page|\
got a page|alerted by|was alerted|were alerted|is alerted|are alerted|\
alerts the on call|alerted the on call|notified|notifies|notification|\
automatic alert|on call gets|on call receives|on call received|alert received|\
alert arrives|alert arrived|first alert|alert fires|alert fired|alerts fire|\
alerts fired|alert triggered|alert triggers|monitoring alert|monitoring alerts|\
alarm triggered|alarm goes off|alarms go off|phone alert|alert in |alerts in |\
pages at|woke me|woken by the|\
received page|received a page|page for ",
        unless: "",
    },
    Rule {
        kind: NoteKind::Diagnosis,
        phrases: "\
root cause|cause found|cause is|cause was|cause identified|cause confirmed|\
cause of the|caused by|the cause|likely cause|possible cause|probable cause|\
suspected cause|identified as|identified the|identifies the|identify the|\
have identified|has been identified|is identified|was identified|\
issue identified|problem identified|problem found|problem is found|pinpoint|\
isolated to|isolated the|narrowed down to|narrowed to|tracked down|tracked to|\
tracked it|traced to|traced back|traced it|trace it to|found to be|found to have|\
found that|finds that|found the bug|found the problem|found the issue|finds the|\
bug in|bug found|regression in|regression found|memory leak|introduced by|\
introduced in|triggered by|resulted from|results from|stems from|stemmed from|\
originates|originated|attributed to|turned out to|turns out to|turns out that|\
it turns out|explained by|explains|this explains|culprit|responsible for|\
to blame|misconfigur|mis configur|realise|realize|discovered that|discovers that|\
discover that|revealed that|reveals that|understood that|we understand|\
now understood|has driven|have driven|drives up|drove up|not what the|diverged|\
has expired|had expired|have expired|expired certificate|certificate expired|\
deadlock|missing index|typo|off by one|out of disk|disk is full|disk full|\
ran out of|run out of|exhausted by|found it |it s the |it is the |it was the |\
rca |turns out|turned out the|expired|was missing|were missing|is missing|\
aws says|aws confirms|google says|google confirms|azure says|azure confirms|\
vendor says|vendor confirms|provider says|provider confirms|somebody deleted|\
someone deleted|somebody changed|someone changed|somebody removed|\
someone removed|somebody pushed|someone pushed|somebody ran|someone ran|\
somebody merged|someone merged|was never|were never|had never|never been|\
had been|was halved|were halved|was lowered|were lowered|was revoked|\
were revoked|was renamed|were renamed|got deleted|got removed|got renamed|\
went backwards|failing since|fails since|failed since|not updated|not renewed|\
not rotated|not deployed|migration dropped|migration deleted|migration removed|\
migration changed|migration renamed|deploy removed|deploy changed|deploy dropped|\
release removed|release changed|release dropped|job deleted|script deleted|\
leaks |leaking|kernel panic|hot partition|hot key|hot shard|hammer|was hit |\
limit reached|limit hit|limit is hit|^why |still had the old|has the old|^found |\
ran out|runs out|\
^cause ",
        unless: "\
cause unknown|cause is unknown|cause is not|cause not|cause is still|cause still|\
not identified|looking for the cause|search for the cause|\
searching for the cause|find the cause|look for the cause|fix for the cause|\
it was the right|it is the first|no leak|hammering on|^found nothing|^found no",
    },
    Rule {
        kind: NoteKind::Decision,
        phrases: "\
decision|decided|decide to|decides to|deciding|we agree|agreed to|agrees to|\
agreed that|agreement to|choose to|chose to|chooses to|opted to|opts to|opt to|\
go no go|plan is to|the plan|plans to|planned to|planning to|we will |we ll |\
will wait|elected to|consensus|not rolling back|not failing over|no rollback|\
no failover|holding off|hold off|going with|we go with|let s wait|we wait |\
waiting with|we keep |keep it as|^will |decided against",
        unless: "\
decision log",
    },
    Rule {
        kind: NoteKind::Recovery,
        phrases: "\
partially restored|partly restored|partially recovered|partly recovered|\
partially back|partly back|partially reachable|partly reachable|partial recovery|\
is draining|are draining|catching up|backlog drained|backlog is drained|\
queue drained|queues drained|queue is drained|queue has drained|lag drained|\
errors stopped|errors have stopped|timeouts stopped|errors are gone|errors gone|\
5xx gone|5xx are gone|alerts cleared|alert cleared|backlog cleared",
        unless: "",
    },
    Rule {
        kind: NoteKind::Mitigation,
        phrases: "\
restart|reboot|bounced|roll back|rolls back|rolled back|rollback|rolling back|\
rolled forward|roll forward|revert|redeploy|re deploy|deployed|deploy started|\
deploys |deploying|rolled out|rolls out|rolling out|delete|deleting|remove|\
removing|purge|destroy|evicted|evicting|raised|raise |raises |raising|increase|\
increasing|reduced|reduce |reducing|lowered|lower |lowering|scale|scaling|\
scale up|resiz|expanded|extended|grown|doubled|added|adds |adding|provision|\
spun up|spin up|spins up|new nodes|drained|drain |draining|cordon|fail over|\
fails over|failed over|failing over|failover|promoted|promote|fix|patch|hotfix|\
merged|correct|cleared|clearing|clears the|flush|truncat|vacuum|freed|frees up|\
disabled|disable |disabling|disables|enabled|re enabl|reenabl|enables|enabling|\
turned off|turn off|turns off|turned on|turning off|switched|switch to|\
switches to|switching|toggled|feature flag|kill switch|restored|restore |\
restoring|restores|reset|resets|reconfigur|rebalanc|balanced|rebuilt|rebuild|\
recreat|re creat|reindex|resync|re sync|throttl|blocked|blocks |blocking|banned|\
rate limit|load shed|shed load|shedding|circuit breaker|traffic shifted|\
traffic moved|traffic is moved|shifted traffic|shift traffic|moved traffic|\
rerout|re rout|redirect|divert|cut over|cutover|bypass|replaced|replaces|\
replacing|updated|upgraded|downgraded|pinned to|renewed|renew |reissued|rotated|\
copied|cleaned|clean up|cleanup|stopped|stops the|killed|kill |kills the|\
terminated|terminate|suspended|paused|pause |resumed|unblocked|unlocked|\
released the|changes made|change made|applied|apply |applies |mitigat|workaround|\
work around|temporary|stopgap|manually |by hand|switchover|switched over|expand|\
bump|kicked|install|pointed ~ to|pointed ~ at|point ~ to|undo|turned ~ off|\
turn ~ off|turned ~ on |switched ~ to|switched ~ off|flag ~ off|flag ~ disabled|\
moved ~ to|moving ~ to|shifted ~ to|set ~ to |^set |^started |^starting |\
^dropped |dropped the|dropped slot|dropping the|^ran |rerun|^re ran|^issued|\
halved the|unpinned|quarantin|isolat|fenced|took ~ out|taken out|taking ~ out|\
pulled ~ out|reload|warmed|replay|reprocess|requeue|re queue|backfill|tainted|\
whitelist|allowlist|blacklist|blocklist|sharded|repartition|routed ~ through|\
route ~ through|scaled|\
swapped|swapping|swap out",
        unless: "\
fixed time|not yet fixed|no fix|fixing attempts failed|asking for a restore|\
asked for a restore|no deploy|any deploy|any change|rebalancing in a loop|\
rebalances in a loop|keeps restarting|keep restarting|restarting in a loop|\
restart loop|started seeing|started failing|started to fail|started getting|\
restarts itself|restarted by itself|restarts every",
    },
    Rule {
        kind: NoteKind::Diagnosis,
        phrases: "\
because|due to|is full|made worse|makes |was changed|were changed|had changed|\
has changed|leads to|led to|leading to|resulting in|results in|conflict between|\
incompatib|no longer match|mismatch|wrong |incorrect |was dropped|was deleted|\
was removed|was disabled|so the |which is why|that is why|that s why|all busy|\
looks like the|looks like a",
        unless: "\
looks like the same|wrong lead|be wrong|is wrong|what went wrong",
    },
    Rule {
        kind: NoteKind::Recovery,
        phrases: "\
recover|back to normal|normal again|returns to normal|returned to normal|\
return to normal|returning to normal|back to baseline|to baseline|normalis|\
normaliz|normal level|normal levels|reachable|available again|healthy|falling|\
falls|error rate drops|errors drop|errors fall|errors stop|error rate falls|\
error rate is down|errors are down|rate decreas|latency decreas|latency drops|\
latency improves|lag decreas|catches up|caught up|catching up|partial|\
observed working|stabilis|stabiliz|stable|improv|subsid|declin|alert resolve|\
alerts resolve|alert clear|alerts clear|tests pass|succeed|successful again|\
requests succeed|back up|coming back|comes back|come back|drains|\
backlog processed|queue empt|dropping|going down|goes down again|queue ~ shrink|\
backlog ~ shrink|lag ~ shrink|are gone|is gone|back under|back below|back at|\
back to zero|back to 0|ready again|flowing|through again|up again|green again|\
online again|responding again|serving again|is green|are green|all green|\
look good|looks good|looking good|success rate|lag ~ down |latency ~ down |\
backlog ~ down |errors ~ down |rate ~ down |queue ~ down |calming|calmed|\
settling|cooling down|improves|getting better|better now|going through|in sync|\
served again|can ~ again|usage decreas|load decreas|cpu decreas|cpu back|\
memory back|back to|work for|works for|working for|usual level|as usual|\
answers again|answer again|normal again",
        unless: "\
not recover|no recovery|unreachable|not reachable|unavailable|unhealthy|\
not healthy|unstable|not stable|failure to recover|partial outage|no improv|\
not succeed|success rate drop|success rate fall|success rate down|\
success rate at 0|traffic is dropping|traffic dropping|orders dropping|\
are not going through|not flowing|not ready|not in sync|out of sync|not work|\
not back to",
    },
    Rule {
        kind: NoteKind::Investigation,
        phrases: "\
investigat|look into|looks into|looking|look at|looks at|examin|inspect|checked|\
check |checks |checking|logs|log |read |reading|reads |analys|analyz|debug|\
troubleshoot|diagnos|tested|test |tests |testing|query|queries|dashboard|graphs|\
metrics show|profil|compar|bisect|confirm|verif|tried|tries |trying|attempt|\
found|finds|shows|show |see that|sees that|notice|attention turns|focus|reviewed|\
review |reviewing|suspect|assum|hypothes|theor|perhaps|maybe|might|could be|\
may be|appears|seems|trace|searching|search for|gather|collect|reproduc|unclear|\
unknown|we ask|asked |questions|why |taking a|heap dump|thread dump|tcpdump|\
strace|grep|tail|no idea|not sure|on it |digging|dig into|having a look|\
have a look|eyes on|running ~ on|what changed|timeline of|correlat|acked|\
opening dashboards|repro",
        unless: "",
    },
];

/// Measures of trouble, parted by `|`.
pub(super) const MEASURES: &str = "\
error rate|rate|errors|failures|latency|latencies|traffic|load|lag|usage|\
utilization|utilisation|requests|times|connections|memory|backlog|timeouts";

/// How measures move by themselves, parted by `|`.
pub(super) const MOVES: &str = "increase|increasing|raise|reduced|doubled|grown|lower|rise";

/// Kinds of notes that a question can be as well.
pub(super) const ASKED_AS_WELL: [NoteKind; 3] =
    [NoteKind::Escalation, NoteKind::Communication, NoteKind::WrongLead];

/// What says that the trouble went on, parted by `|`: behind a deed or a guess it was in vain.
pub(super) const FAILS_ON: &str = "\
still failing|still timeout|still timing|still error|still broken|still down|\
still see|still the same|still slow|still high|still 5|errors continue|\
errors persist|errors remain|problem remains|problem persists|problem continues|\
issue remains|issue persists|same error|same result|same crash|same problem|\
same issue|same symptom|same failure|same outcome|same behavio|same picture|\
same thing|no better|not better|no change|keeps growing|keep growing|\
keeps rising|keep rising|still growing|still rising|fail as well|fails as well|\
but heap is|but it is flat|looks fine|look fine|is fine so|is flat|nothing there|\
nothing unusual|not the|worse";

/// What says that something was taken for the cause, parted by `|`.
pub(super) const SUSPICIONS: &str = "\
suspect|thought|assum|blam|checked|looked at|theory|hypothes|looks fine|\
is fine so";

/// What says that it was taken for the cause once, parted by `|`; a "but" tells how that ended.
pub(super) const FORMER_GUESSES: &str = "thought|believed|suspected|assumed|blamed|figured";

/// Deeds in the past without an ending of their own, parted by `|`.
pub(super) const DEEDS: &str = "\
put|set|cut|took|ran|shut|brought|built|made|gave|split|upped|sent";

/// Words that end like a deed and tell of none, parted by `|`: what happens, what somebody looks at,
/// and what something is.
pub(super) const NO_DEEDS: &str = "\
failed|failing|crashed|crashing|timed|timing|stalled|stalling|degraded|degrading|\
expired|expiring|reached|reaching|exceeded|exceeding|increased|increasing|\
decreased|decreasing|dropped|dropping|elevated|delayed|limited|affected|impacted|\
mixed|unexpected|expected|missing|pending|flapping|hanging|growing|rising|\
falling|seeing|getting|having|being|running|happening|happened|occurred|looked|\
looking|checked|checking|watched|watching|monitored|monitoring|waited|waiting|\
thinking|believed|noticed|noticing|guessing|pulled|pulling|wondering|nothing|\
something|anything|everything|during|need|indeed|speed|feed|red|morning|evening|\
spring|ping|king|string|thing|following|according|including|regarding|started|\
starting|stopped|rejected|refused|corrupted|overloaded|exhausted|saturated|stuck|\
logged|connected|disconnected|connecting|received|receiving|returned|returning|\
used|using|called|named|unused|distributed|hundred|observed|observing|reported|\
reporting|compared|acked|acknowledged|joined|remaining|remained|continued|\
continuing|sporadic|recurring";
