"""The contract of every table: key, columns, dtype, unit, one sentence; and `check`.

Long form everywhere. Inside the store: coordinates in the city's projected metres, timestamps UTC, ids as text.
dtypes are few: text, int, float, bool, time (UTC timestamp), date, list (of text), bytes (WKB geometry or a mask of
the 672 quarter-hours of the week, most significant bit first, Monday 00:00 local first).
"""

from geo.contract import Table, check, columns

__all__ = ["TABLES", "Table", "check"]

CALLS = Table(
    name="calls",
    row="a call for service after merging; merged rows stay, with merged_into set",
    key=("call_id", "source_id", "source_line"),
    columns=columns("""
        call_id text the agency's number, the agency before it where a city has several
        source_id text which source file it came from
        source_line int 1-based record number in that file
        merged_into text? the call_id that stands for this row, null for a row that stands for itself
        n_rows int rows that this call stands for, itself included
        received_at time UTC instant the call was received
        local_date date day it was received, in the city's zone
        hour_of_week int? 0 = Monday 00:00-01:00 local
        quarter_of_week int? 0 = Monday 00:00-00:15 local, 671 the last
        call_type text? the agency's final words
        call_type_initial text? the agency's first words
        disposition text? the agency's words
        priority text? the agency's priority, as written
        origin text {community,officer,alarm,agency,scheduled,unknown} who started it
        caller_role text {subject,household,bystander,professional,unknown} who called
        need text a need or class of data/needs.toml
        need_secondary list further needs the words name
        tier int? 0-3 what can close it, null unknown
        is_criminal bool the type is an offence
        is_resolved bool? false only for unfounded, cancelled, duplicate; null without a disposition
        no_one_found bool gone on arrival or unable to locate
        sensitive text {none,suicide,domestic_violence,juvenile,sexual_assault,overdose} never a point
        rule text which rule fired
        scope text {in_scope,police_or_ems,criminal,other_need,unresolved} of calls of every origin
        place_id text? the place it came from, null where it could not be placed
        on_scene_min float? [min] cleared - arrived
        committed_min float? [min] cleared - dispatched
        n_units int? units sent
    """),
)

INCIDENTS = Table(
    name="incidents",
    row="a police report with an offence",
    key=("incident_id",),
    columns=columns("""
        incident_id text the report's number
        call_id text? the call it was linked to
        is_linked bool the call id was found among the calls
        reported_at time UTC
        offence text the agency's words
        offence_group text {person,property,society,other} one of four groups
        place_id text? where
        source_id text
        source_line int
    """),
)

PLACES = Table(
    name="places",
    row="a location that can call again",
    key=("place_id",),
    columns=columns("""
        place_id text 16 hex of SHA-256, internal only
        x float? [m] projected
        y float? [m] projected
        n_calls int community calls that stand for themselves
        n_all int all calls that stand for themselves
        n_weeks int weeks with a community call
        n_addresses int distinct address texts seen there
        place_kind text {ordinary,institution,placeholder,unexplained} see methods.md, Places
        kind_reason text? why it is not ordinary
        precision text {point,block,none} how it was placed
        atom int index of the tuple of area ids
    """),
    extra=True,
)

AREAS = Table(
    name="areas",
    row="an area of one level",
    key=("level", "geoid"),
    columns=columns("""
        level text the level's name in the city's TOML
        geoid text
        name text
        vintage text of the boundaries
        role text {census,patrol,planning,parent,grid}
        area_km2 float [km2]
        population float? residents (ACS or census estimate)
        population_moe float? 90 % margin of error
        households float?
        denominator_vintage text? years of the estimates
        rate_barred text? why no per-resident rate is given, null where one may be
        geometry bytes WKB, projected metres
    """),
    extra=True,
)

SERVICES = Table(
    name="services",
    row="a service at a location, per need, leg and access",
    key=("service_id", "need", "leg", "access"),
    columns=columns("""
        service_id text source prefix + the directory's ids of service and location
        source_id text which directory
        name text the service's name
        organization text?
        kind text a kind of data/matching
        need text
        match text {yes,review} whether this kind of service suits the need
        leg text {contact,respond,place}
        access text {walk_in,drop_off,team,line,appointment,unknown} how people are taken in
        takes_t0 bool
        takes_t1 bool
        takes_t2 bool
        person text {yes,unknown,no} whether it takes the persons this need and tier imply
        eligibility_state text {open,not_assessed,settled,unsettled} how the eligibility text was read
        is_emergency_department bool the fallback being measured
        is_confidential bool location withheld: never mapped, never a candidate by distance
        hours bytes? opening quarter-hours of the week, null unknown
        intake bytes? intake quarter-hours of the week, null unknown
        capacity_state text {proven,unproven} capacity or availability proven (see data/matching)
        capacity float?
        capacity_unit text?
        has_duty_log bool a team whose time on duty is in table duty
        zone_state text {none,polygon,everywhere,unknown} service area
        zone bytes? WKB, projected metres
        x float? [m] projected; null where not located or withheld
        y float? [m]
        valid_from date? first day in operation
        valid_to date? first day no longer in operation
        verified_on date? last verified
        reviewed_by text? who reviewed the matching, null = draft
    """),
)

DUTY = Table(
    name="duty",
    row="a team's time on duty",
    key=("service_id", "on_at"),
    columns=columns("""
        service_id text
        on_at time UTC
        off_at time UTC
        n_teams int
        source_id text
        source_line int
    """),
)

RESPONSES = Table(
    name="responses",
    row="what was sent to a call",
    key=("call_id", "responder", "source_line"),
    columns=columns("""
        call_id text
        responder text {patrol,co_response,mobile_crisis,community,ems,line}
        assigned_at time?
        arrived_at time?
        cleared_at time?
        outcome text?
        not_sent_reason text?
        source_id text
        source_line int
    """),
)

REACH = Table(
    name="reach",
    row="place x service within the widest threshold",
    key=("place_id", "service_id", "access"),
    columns=columns("""
        place_id text
        service_id text
        access text
        minutes float [min] for whoever travels
    """),
)

OUTCOMES = ("available", "uncertain", "spatial", "barrier", "temporal")
LEGS = ("contact", "respond", "place")

UNMET = Table(
    name="unmet",
    row="a call x leg, with its outcome; the finest form, never leaves the store",
    key=("call_id", "leg"),
    columns=columns("""
        call_id text
        leg text {contact,respond,place}
        outcome text {available,uncertain,spatial,barrier,temporal}
        outcome_with_ed text {available,uncertain,spatial,barrier,temporal} with emergency departments counted
        outcome_near text {available,uncertain,spatial,barrier,temporal} travel 20 % faster, for rank intervals
        outcome_far text {available,uncertain,spatial,barrier,temporal} travel 20 % slower
        is_recorded bool some candidate of this need and leg is on record in the city
    """),
)

DEMAND = Table(
    name="demand",
    row="atom x need x origin x scope x hour x outcome of each leg, sparse",
    key=("atom", "need", "origin", "scope", "hour_at", "contact", "respond", "place"),
    columns=columns("""
        atom int index of the tuple of area ids of all levels
        need text
        origin text
        scope text
        hour_at time UTC start of the clock hour
        contact text? outcome, null where the leg does not apply
        respond text?
        place text?
        n_calls int
        committed_min float [min] sum over calls with a known time
    """),
)

HOTSPOTS = Table(
    name="hotspots",
    row="a recurring-call area",
    key=("hotspot_id",),
    columns=columns("""
        hotspot_id text carries over between runs
        product text {excess,volume}
        need text
        x float [m] centre; internal
        y float [m]
        radius_m float? [m] of the scan circle
        n_calls int calls of this need inside
        n_all int? background calls inside (excess only)
        n_places int
        relative_risk float?
        llr float?
        p_value float? family-wise within the need
        n_weeks int active weeks
        persistence_share float? share of 4-week periods with a call
        max_week_share float?
        is_recurring bool? null where the window is too short to say
        status text {new,persistent,cooling,ended,transient,single_site,not_assessed}
        reason text? why is_recurring is null or false
        peak_start int? hour of day at which the busiest 8-hour block starts
        peak_share float? share of calls in that block
        n_peak int? calls in that block that are in scope
        respond_at_least int? at the peak block
        respond_at_most int?
        place_at_least int?
        place_at_most int?
        geometry bytes WKB, projected metres
    """),
)

GAPS = Table(
    name="gaps",
    row="area x need x leg x period x variant",
    key=("level", "geoid", "need", "leg", "period", "variant"),
    columns=columns("""
        level text a level, or 'city'
        geoid text an area id, '_outside', '_placeholder', '_unlocated', or 'city'
        need text
        leg text {contact,respond,place}
        period text whole, last_12_months, or a year
        variant text {default,with_ed,no_institutions}
        years float [y] length of the period
        n_calls int calls in scope that have this leg
        n_available int
        n_uncertain int
        n_spatial int
        n_barrier int
        n_temporal int
        n_at_least int spatial + barrier + temporal
        n_at_most int at least + uncertain
        at_least_per_year float [calls/y]
        per_year_low float [calls/y] Garwood 90 % lower limit of at least
        per_year_high float [calls/y] Garwood 90 % upper limit of at most
        not_recorded bool no candidate of this need and leg in the whole city
        unmet_per_1k_low float? [1/1,000 residents/y] at least
        unmet_per_1k_high float? at most
        rate_reason text? why the rate is null
        p_over_standard float? P(share at least > standard)
        p_over_standard_most float? the same on at most
        flag text {flagged,possibly,no,too_few,not_recorded,not_an_area} see methods.md, flags
        rank_low float? 90 % interval of the rank on at least per year, 1 = most
        rank_high float?
        p_top_decile float?
        rank_km2_low float? the same per square kilometre, homelessness only
        rank_km2_high float?
        n_police_or_ems int calls of this need that police or EMS must attend
        n_no_one_found int of n_calls
        n_institution int of n_calls, at institutions
        n_places int distinct places behind n_calls
        n_without_busiest int n_calls without the city's busiest 1 % of places for this need and leg
        at_least_without_busiest int
    """),
)

RATES = Table(
    name="rates",
    row="area x need x period: community calls of every tier, with rates; beside `gaps`, never instead of it",
    key=("level", "geoid", "need", "period"),
    columns=columns("""
        level text
        geoid text an area id (remainders are in gaps and demand)
        need text
        period text whole, last_12_months, or a year
        years float [y]
        n_calls int resolved community calls of this need, every tier
        n_officer int officer-initiated ones, beside and never added
        committed_h_per_year float? [h/y] time committed to the calls whose time is known
        time_known_share float? share of calls with a known time
        per_km2_per_year float? [calls/km2/y]
        population float?
        population_moe float?
        reliability text {high,medium,low,unknown} of the resident count
        rate_per_1k float? [1/1,000 residents/y]
        rate_low float? 90 % interval: count (over-dispersion included) and ACS error
        rate_high float?
        eb_per_1k float? smoothed towards the area's neighbours (spatial empirical Bayes)
        eb_low float? 90 % interval of the gamma posterior; null where nothing is left but the local mean
        eb_high float?
        eb_is_mean bool? the smoothed rate is nothing but the local mean
        eb_rank float? 1 = highest smoothed rate of the level
        rate_reason text? why the rates are null
        dispersion float? over-dispersion of the city's weekly counts of this need; 1 = Poisson
    """),
)

OFFENCES = Table(
    name="offences",
    row="area x offence group x period: police reports, beside calls and never added to them",
    key=("level", "geoid", "offence_group", "period"),
    columns=columns("""
        level text a level, or 'city'
        geoid text an area id, '_outside', '_placeholder', '_unlocated', or 'city'
        offence_group text {person,property,society,other}
        period text whole, last_12_months, or a year
        n_incidents int
        n_linked int whose call is on file
    """),
)

STEPS = ("community", "in_scope", "listed_available", "recorded", "sent", "arrived", "connected", "not_sent")

CASCADE = Table(
    name="cascade",
    row="need x step from call to connection; empty where the agency records no responses",
    key=("need", "step", "reason"),
    columns=columns("""
        need text
        step text {community,in_scope,listed_available,recorded,sent,arrived,connected,not_sent} each within in_scope
        reason text why no civilian or co-response was sent, in the agency's words; '' on other steps
        n_calls int
    """),
)

VERIFICATION = Table(
    name="verification",
    row="a service whose unknowns move the result, most first",
    key=("leg", "need", "rank"),
    columns=columns("""
        leg text
        need text
        rank int
        service_id text
        name text
        access text
        unknowns text which answers are missing
        n_moved int uncertain calls that a yes would make available
        n_moved_if_no int uncertain calls that a no would make unmet
        n_settled_if_yes int cumulative, all services so far answering yes
        n_settled_if_no int cumulative, all services so far answering no
        share_least_if_no float? share unmet at least, if this and those above all answer no
        share_most_if_yes float? share unmet at most, if this and those above all answer yes
    """),
)

CHANGES = Table(
    name="type_changes",
    row="initial call type x final call type",
    key=("call_type_initial", "call_type"),
    columns=columns("""
        call_type_initial text
        call_type text
        need_initial text
        need text
        n_calls int
    """),
)

QUALITY = Table(
    name="quality",
    row="a finding about the data",
    key=("stage", "source_id", "reason"),
    columns=columns("""
        stage text
        source_id text
        reason text a code
        severity text {info,warning,error}
        n_rows int
        share float? of the rows it could have touched
        detail text one sentence, no raw sensitive value
        sample text? up to a few line numbers or public names
    """),
)

QUARANTINE = Table(
    name="quarantine",
    row="a row that was refused",
    key=("source_id", "source_line", "reason"),
    columns=columns("""
        source_id text
        source_line int 1-based record number
        reason text a code
        column text
        redacted text? shape of the value, not the value
    """),
)

COUNTS = Table(
    name="counts",
    row="a source file and what became of its rows",
    key=("source_id",),
    columns=columns("""
        source_id text
        kind text {calls,incidents,services,areas,denominators,duty,responses}
        path text file name relative to the data root
        rows_in int
        rows_kept int
        rows_quarantined int
        rows_merged int
    """),
)

TABLES = {
    table.name: table
    for table in (
        CALLS, INCIDENTS, PLACES, RESPONSES, AREAS, SERVICES, DEMAND, DUTY, HOTSPOTS, REACH, UNMET, GAPS, RATES,
        OFFENCES, CASCADE,
        VERIFICATION, CHANGES, QUALITY, QUARANTINE, COUNTS,
    )
}  # fmt: skip
