"""Texts of the Methods page: every number on the screens in plain words, with its place in docs/methods.md."""

TEXT = {
    "methods.title": "Methods",
    "methods.h1": "What each number is",
    "methods.lead": "Every number on these screens in plain words, with how it is made and what it cannot say. The "
    "formulas are written out in docs/methods.md; each entry names its section.",
    "methods.contents": "On this page",
    "methods.source": "docs/methods.md, section “{section}”",
    "methods.here": "Here: {text}",
    "methods.group.calls": "Calls",
    "methods.group.outcomes": "Listed as available, or not",
    "methods.group.sure": "How sure a number is",
    "methods.group.places": "Places and recurring-call areas",
    "methods.group.small": "Small numbers",
    "methods.thresholds": "Thresholds of this release",
    "methods.thresholds_note": "What counts as near enough and open. They are set in the city's file; other "
    "thresholds give other numbers.",
    "methods.thresholds_none": "This release does not tell its thresholds.",
    "methods.standard": "Standard: {share} of an area's calls without a listed service ({source}).",
    "methods.limits": "What the data cannot say",
    "methods.words": "Words",
    "methods.cite": "How to cite",
    "methods.cite_note": "Name the release: its number stands for these data, this policy and this version of the "
    "software.",
    "methods.citation": "{city}: unmet calls for help, {start} to {end}. Unmet {version}, release {release_id}, "
    "policy {policy} {policy_version}; services as of {services_as_of}.",
    "methods.reason.title": "Call reason and tier",
    "methods.reason.text": "Ordered rules read the type of a call and give it one reason, and a tier: a line can "
    "close it (T0), a civilian team (T1), a co-response (T2), or police or EMS must attend (T3). The last type "
    "counts, unless it is a mere status. Counts of mental-health and substance-use calls are lower bounds: many "
    "such calls carry another name.",
    "methods.reason.formula": "",
    "methods.reason.section": "Calls, needs and tiers",
    "methods.community.title": "Community calls",
    "methods.community.text": "Calls that somebody in the community made. What officers start, alarms and the "
    "agency's own entries are kept apart, since they follow deployment.",
    "methods.community.formula": "",
    "methods.community.section": "Calls, needs and tiers",
    "methods.scope.title": "In scope",
    "methods.scope.text": "Community calls of a call reason that a service could take: not closed as unfounded, "
    "cancelled or duplicate, no offence, and not one that police or EMS must attend. The others are counted and "
    "told beside.",
    "methods.scope.formula": "community = in scope + police or EMS + offences + cancelled or unfounded + not assessed",
    "methods.scope.section": "Scope",
    "methods.event.title": "One event, one call",
    "methods.event.text": "The latest row of a call number wins. Calls of the same place and reason within 30 "
    "minutes of the first are one event; the rows are kept and counted as merged.",
    "methods.event.formula": "rows in = kept + set aside + merged",
    "methods.event.section": "One event, one call",
    "methods.legs.title": "Three things a call may need",
    "methods.legs.text": "Someone to respond, a place to go, someone to contact. Each is judged by itself and "
    "never added to another. Someone to contact is asked only where a line can close the call (T0).",
    "methods.legs.formula": "",
    "methods.legs.section": "Scope",
    "methods.outcome.title": "Three outcomes: available, not known, none listed",
    "methods.outcome.text": "For a call and a leg every listed service is asked three questions: does it suit the "
    "call and is it near enough; would it take this caller; is it open at that quarter of an hour, with capacity. "
    "One service with yes on all three: listed as available. None of those, but one without a no: the record does "
    "not tell. Otherwise: no listed service. Listed as available is not a promise that help came.",
    "methods.outcome.formula": "available: some service is yes on all tests · record does not tell: else, some "
    "service has no “no” · none listed: else",
    "methods.outcome.section": "Outcomes",
    "methods.cause.title": "Three causes: too far, would not take, closed",
    "methods.cause.text": "Where none is listed, what is unknown is read as yes and the tests are taken in order. "
    "Nothing near enough: too far. Near, but none that would take this caller: barrier. Near and willing, but "
    "closed or off duty then: hours. A call has one cause only, the first that holds.",
    "methods.cause.formula": "none listed = too far + would not take + closed",
    "methods.cause.section": "Outcomes",
    "methods.band.title": "At least and at most",
    "methods.band.text": "At least: calls with no listed service, whatever the missing answers are. At most: those "
    "and the calls for which the record does not tell. The gap between them is what records lack, not chance; "
    "confirming services (see Services) narrows it.",
    "methods.band.formula": "at least = too far + would not take + closed; at most = at least + record does not tell",
    "methods.band.section": "Outcomes",
    "methods.share.title": "Share without a listed service",
    "methods.share.text": "At least, and at most, over the calls in scope on that leg. Always told with the number "
    "of calls. Under 24 calls an area is hatched.",
    "methods.share.formula": "at least ÷ calls … at most ÷ calls",
    "methods.share.section": "Outcomes",
    "methods.not_recorded.title": "None on record",
    "methods.not_recorded.text": "Where the directory holds no service at all for a call reason and leg, that is a "
    "fact about the directory. Such calls are told as unknown, unless the city says that its directory is complete.",
    "methods.not_recorded.formula": "",
    "methods.not_recorded.section": "Outcomes",
    "methods.garwood.title": "Limits a year",
    "methods.garwood.text": "Counts vary from year to year even if nothing changes. The lower limit of at least "
    "and the upper limit of at most hold, in nine of ten such years, what the long run would give (Garwood's exact "
    "limits, 90 %).",
    "methods.garwood.formula": "lower = χ²(0.05; 2·at least) ÷ 2 ÷ years; upper = χ²(0.95; 2·at most + 2) ÷ 2 ÷ years",
    "methods.garwood.section": "Intervals, flags, ranks",
    "methods.flag.title": "Above the standard, and how probable",
    "methods.flag.text": "The probability that more than the standard share of an area's calls has no listed "
    "service, given its count. Above: more than 80 % even on at least. Possibly: more than 80 % on at most only. "
    "Under 24 calls a year an area is not judged.",
    "methods.flag.formula": "P(share > standard), share ~ Beta(½ + u, ½ + n − u); above where P > 0.8",
    "methods.flag.section": "Intervals, flags, ranks",
    "methods.rank.title": "Ranks as intervals",
    "methods.rank.text": "A rank is shown as the interval that held in nine of ten draws. The draws vary the "
    "counts and the supply: travel 20 % slower, as it is, 20 % faster; missing answers read as open, half, closed. "
    "Where intervals overlap, the order means nothing.",
    "methods.rank.formula": "5th to 95th percentile of the rank over draws in 9 supply scenarios",
    "methods.rank.section": "Intervals, flags, ranks",
    "methods.rate.title": "Per 1,000 residents and year",
    "methods.rate.text": "With the interval of the count and the census estimate's own error. Withheld under 100 "
    "residents, where most live in group quarters, and always for calls related to homelessness, where residents "
    "are not the people exposed; there the number per square kilometre is ranked.",
    "methods.rate.formula": "calls ÷ years ÷ residents × 1,000",
    "methods.rate.section": "Rates",
    "methods.change.title": "Compared with the period before",
    "methods.change.text": "Differences of counts, with both numbers of calls. No per cent where either is under "
    "100: two calls more would be a large per cent of a small number.",
    "methods.change.formula": "",
    "methods.change.section": "Intervals, flags, ranks",
    "methods.verify.title": "Records to confirm first",
    "methods.verify.text": "The list begins with the service whose confirmation would settle most of the calls "
    "that are not known; the next is the best after that one. It says how far the band would narrow whichever way "
    "the answer goes.",
    "methods.verify.formula": "",
    "methods.verify.section": "Intervals, flags, ranks",
    "methods.sink.title": "Placeholder addresses",
    "methods.sink.text": "A point that stands for many addresses, such as a dispatch centre. Its calls stay in the "
    "city's total and are on no map and in no area.",
    "methods.sink.formula": "",
    "methods.sink.section": "Places",
    "methods.institution.title": "Institutions",
    "methods.institution.text": "Hospitals, shelters and crisis centres call often because of what they do. Their "
    "calls are in the counts, and can be left out under Counting.",
    "methods.institution.formula": "",
    "methods.institution.section": "Places",
    "methods.recurring.title": "Recurring-call areas",
    "methods.recurring.text": "Circles in which calls of one reason are too many, compared with all community "
    "calls there, to be chance, and in which they come back: in at least 8 weeks and 15 % of weeks, from at least "
    "three addresses, with no week holding more than a quarter. It describes calls and places, never people.",
    "methods.recurring.formula": "largest likelihood ratio of circles of 75–400 m against 999 permutations; p "
    "within the call reason",
    "methods.recurring.section": "Recurring-call areas",
    "methods.status.title": "New, persistent, cooling",
    "methods.status.text": "When a recurring-call area has been active in the days on file. An area that does not "
    "recur says why: too few weeks, one week that holds too much, or one address.",
    "methods.status.formula": "",
    "methods.status.section": "Recurring-call areas",
    "methods.small.title": "Hidden numbers (•)",
    "methods.small.text": "In releases that leave the agency numbers from 1 to {small} are hidden, and others with "
    "them so that none can be worked out by subtraction. All have one symbol; zero is shown. A sum with a hidden "
    "part is hidden too.",
    "methods.small_none.text": "Nothing is hidden on the screens of this release. It is internal: small numbers "
    "must not be published from it.",
    "methods.small.formula": "",
    "methods.small.section": "docs/releases.md",
    "methods.few.title": "Few calls",
    "methods.few.text": "Under 24 calls an area is hatched and not judged: a handful more or less would turn the "
    "picture over.",
    "methods.few.formula": "",
    "methods.few.section": "Intervals, flags, ranks",
    "methods.in.outcome": "{calls}: {parts}.",
    "methods.in.band": "{calls}: at least {low}, at most {high} of {n} ({leg}).",
    "methods.in.garwood": "{calls}, {leg}: at least {low_year} and at most {high_year} a year; limits {low} to {high}.",
    "methods.in.flag": "{flagged} of {all} {levels} above, {possibly} possibly, {few} with too few calls ({calls}, "
    "{leg}).",
    "methods.in.rank": "{name}: rank {low} to {high} of {n} ({calls}, {leg}).",
    "methods.in.recurring": "{recurring} of {all} areas that were found recur.",
    "methods.in.sink": "{n} community calls in scope are on a placeholder address ({calls}).",
    "methods.limit.1": "Calls, not people. One person may be many calls, and many who need help never call.",
    "methods.limit.2": "A call shows reporting and deployment as well as need. Fewer calls may mean less need, or "
    "less trust.",
    "methods.limit.3": "Police answered these calls. Unmet describes services that were listed, not what officers "
    "did, and is no finding that a response was wrong.",
    "methods.limit.4": "Listed as available says that a record fits, not that a person was helped, that a bed was "
    "free or that a team would have been sent.",
    "methods.limit.5": "What a service would have changed is not estimated. What-if tells how many past calls "
    "would have had it within reach.",
    "methods.limit.6": "Who may be missing: people who call another number, who are taken to an emergency "
    "department without a call, whose call has another name, or who do not call at all.",
    "methods.limit.7": "Distances are straight lines times a factor unless a travel matrix was supplied. Traffic, "
    "buses and stairs are not in them.",
    "methods.limit.8": "Hours are those on record. A sign on a door is not.",
    "methods.word.call reason": "what a call is about, as its type says: mental-health crisis, substance use, "
    "homelessness, welfare check, youth and family",
    "methods.word.leg": "one of three things a call may need: someone to respond, a place to go, someone to contact",
    "methods.word.listed as available": "a service is on record that suits, is near enough, takes the caller and "
    "is open then",
    "methods.word.no listed service": "every service on record fails one test",
    "methods.word.the record does not tell": "no service is sure, and at least one might be: its record lacks an "
    "answer",
    "methods.word.at least … at most": "without, and with, the calls for which the record does not tell",
    "methods.word.crisis receiving": "a place that takes people in a crisis without an appointment, at any hour",
    "methods.word.withdrawal management": "care for people who stop or reduce alcohol or drugs, often called detox",
    "methods.word.recurring-call area": "a small area in which calls of one reason come back week after week",
    "methods.word.responders needed": "teams that would have had to be on duty for the calls that came",
    "methods.word.standard": "the share of calls without a listed service above which an area is called out",
    "methods.word.release": "a frozen set of tables that a policy lets out; it is never changed",
    "methods.word.placeholder address": "one point on file that stands for many addresses",
    "methods.word.institution": "a hospital, shelter or crisis centre that calls for others",
}
