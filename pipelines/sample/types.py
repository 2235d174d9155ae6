"""The call types of the sample city's two agencies, each with what it is meant to be.

The labels are the generator's own knowledge (the planted truth); the rules of `data/rules` have to come to the
same ones from the words alone. Tables: words | code | tier (blank = none) | flags | weight among community calls
of its need | weight among officer-initiated calls | priority | other words the call may first have come in with.
Flags: c criminal, m alarm company, g other agency, s scheduled.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEEDS = (
    "mental_health", "substance_use", "homelessness", "welfare_check", "medical", "youth_family",
    "quality_of_life", "other_noncriminal", "traffic", "alarm", "administrative", "criminal", "unmatched",
)  # fmt: skip
IN_SCOPE_NEEDS = ("mental_health", "substance_use", "homelessness", "welfare_check", "youth_family")
LEGS = {
    "mental_health": ("contact", "respond", "place"),
    "substance_use": ("contact", "respond", "place"),
    "homelessness": ("respond", "place"),
    "welfare_check": ("contact", "respond"),
    "youth_family": ("contact", "respond"),
}
COMMUNITY_SHARE = {
    "mental_health": 0.122, "substance_use": 0.086, "homelessness": 0.096, "welfare_check": 0.126,
    "youth_family": 0.096, "medical": 0.082, "quality_of_life": 0.105, "other_noncriminal": 0.098,
    "traffic": 0.070, "criminal": 0.098, "administrative": 0.020, "unmatched": 0.001,
}  # fmt: skip
OFFICER_SHARE = {
    "traffic": 0.34, "administrative": 0.42, "other_noncriminal": 0.09, "criminal": 0.07, "quality_of_life": 0.03,
    "homelessness": 0.02, "substance_use": 0.014, "welfare_check": 0.01, "mental_health": 0.006,
}  # fmt: skip

CITY = {
    "mental_health": """
        MENTAL SUBJ|MENTAL|1||26|3|3|UNKNOWN TROUBLE;DISTURBANCE
        MENTAL SUBJ - NON VIOLENT|MENTNV|1||12|1|3|MENTAL SUBJ
        MENTAL HEALTH CRISIS|MHC|1||16|1|2|DISTURBANCE;WELFARE CHECK
        EMOTIONALLY DISTURBED PERSON|EDP|1||11|1|3|SUSPICIOUS PERSON
        PSYCHIATRIC PROBLEM|PSYCH|1||5||3|SICK PERSON
        MENTAL HEALTH REFERRAL|MHREF|0||9||5|CITIZEN ASSIST
        SUICIDAL SUBJECT|SUIC|2||14||2|WELFARE CHECK;MENTAL SUBJ
        SUICIDE THREAT|SUITHR|2||9||2|
        SUICIDAL IDEATION|SUIIDE|2||4||2|
        SUICIDE THREAT W/WEAPON|SUIWPN|3||1||1|SUICIDE THREAT
        SUICIDE ATTEMPT|SUIATT|3||3||1|SUICIDAL SUBJECT
        MENTAL SUBJ - VIOLENT|MENTV|3||3||1|MENTAL SUBJ""",
    "substance_use": """
        INTOX PERSON|INTOX|1||34|6|3|PERSON DOWN;DISTURBANCE
        INTOXICATED SUBJECT|INTSUB|1||18|4|3|UNKNOWN TROUBLE
        DRUNK PERSON|DRUNK|1||14|2|3|
        DETOX REQUEST|DETOX|1||8||4|
        PUBLIC INTOXICATION|PI|1|c|4|8|4|INTOX PERSON
        OVERDOSE|OD|3||10||1|UNCONSCIOUS PERSON
        OVERDOSE/POISONING|ODPOIS|3||4||1|SICK PERSON""",
    "homelessness": """
        HOMELESS COMPLAINT|HOMELS|1||32|4|4|SUSPICIOUS PERSON
        ENCAMPMENT|CAMP|1||18|4|5|HOMELESS COMPLAINT
        HOMELESS PERSON|HOMPER|1||14|3|4|
        PANHANDLING|PANH|1||12|4|5|
        PANHANDLER AGGRESSIVE|PANHA|2||4|1|4|PANHANDLING
        TRANSIENT COMPLAINT|TRANS|1||8|1|4|
        HOMELESS - SHELTER NEEDED|SHELT|1||7||4|CITIZEN ASSIST
        VAGRANT|VAG|1||5|1|5|""",
    "welfare_check": """
        WELFARE CHECK|WELCK|0||48|3|3|UNKNOWN TROUBLE
        CK WELFARE|CKWEL|0||18|1|3|
        WELL BEING CHECK|WBC|0||12||3|
        CHECK WELL BEING OF ELDERLY|CKELD|0||6||3|WELFARE CHECK
        CHECK ON WELFARE OF SUBJ|CKSUB|0||7||3|SUSPICIOUS PERSON
        CHECK FOR PERSON DOWN|PDOWN|||9|2|2|""",
    "youth_family": """
        FAMILY DISTURBANCE|FAMDIS|2||22||2|DISTURBANCE
        DOMESTIC VERBAL|DOMV|2||18||2|DISTURBANCE
        JUVENILE PROBLEM|JUVPRB|1||16||3|DISTURBANCE
        RUNAWAY JUVENILE|RUNAWY|1||10||3|
        CHILD CUSTODY DISPUTE|CUST|1||9||4|CIVIL DISPUTE
        UNRULY JUVENILE|UNRULY|1||8||3|
        FAMILY TROUBLE|FAMTRB|2||8||3|
        TRUANT|TRUANT|1||3||5|
        MISSING CHILD|MISCHD|3||1||1|""",
    "medical": """
        MEDICAL EMERGENCY|MED|3||20||1|
        SICK PERSON|SICK|3||18||2|
        FALL VICTIM|FALL|3||12||2|
        CHEST PAIN|CHEST|3||9||1|
        BREATHING PROBLEM|BREATH|3||8||1|
        UNCONSCIOUS PERSON|UNCON|3||6||1|CHECK FOR PERSON DOWN
        SEIZURE|SEIZ|3||5||1|
        NON-DRUG RELATED MED|NDMED|3||5||2|
        LIFT ASSIST|LIFT|3||6||3|
        AMBULANCE REQUEST|AMB|3||8||2|
        MEDICAL TRANSFER|XFER|3||1||4|""",
    "quality_of_life": """
        NOISE COMPLAINT|NOISE|||24|2|4|
        LOUD MUSIC|LOUDM|||12||4|
        LOUD PARTY|PARTY|||8|1|4|NOISE COMPLAINT
        BARKING DOG|BARK|||7||5|
        FIREWORKS|FIREWK|||5||4|
        DISTURBANCE|DIST|||26|3|3|
        DISTURBANCE, "OTHER"|DISTO|||4||3|
        ANIMAL COMPLAINT|ANIMAL|||8||5|
        QUALITY OF LIFE ISSUE|QOL|||3|2|5|""",
    "other_noncriminal": """
        SUSPICIOUS PERSON|SUSPP|||24|10|3|
        SUSPICIOUS VEHICLE|SUSPV|||12|14|4|
        SUSPICIOUS CIRCUMSTANCES|SUSPC|||8|3|3|
        UNKNOWN TROUBLE|UNKTRB|||10||2|
        CITIZEN ASSIST|CITAST|||14|8|4|
        CIVIL DISPUTE|CIVIL|||7||4|
        KEEP THE PEACE|PEACE|||7||4|
        FOUND PROPERTY|FOUND|||6|2|5|
        LOST PROPERTY|LOST|||5||5|
        LOCKOUT|LOCK|||5|1|4|
        WIRES DOWN|WIRES|||3|1|3|
        TREES DOWN|TREE|||2|1|4|
        ENVIRONMENTAL HAZARD|ENVHAZ|||2|1|3|""",
    "traffic": """
        TRAFFIC STOP|TSTOP||||80|5|
        ACCIDENT - PROPERTY DAMAGE|ACCPD|||22|2|3|
        ACCIDENT W/INJURY|ACCINJ|||10||1|
        TRAFFIC HAZARD|THAZ|||12|4|3|
        DISABLED VEHICLE|DISVEH|||10|9|4|
        RECKLESS DRIVER|RECK|||12||3|
        PARKING COMPLAINT|PARK|||18|5|5|
        ABANDONED VEHICLE|ABVEH|||10|4|5|
        TRAFFIC SIGNS DOWN|SIGN|||2|1|4|""",
    "alarm": """
        BURGLAR ALARM, SILEN|BASIL||m|20||2|
        BURGLAR ALARM, AUDIB|BAAUD||m|34||3|
        COMMERCIAL ALARM|ALCOM||m|18||3|
        RESIDENTIAL ALARM|ALRES||m|16||3|
        HOLDUP ALARM|HUALM||m|5||1|
        PANIC ALARM|PANIC||m|6||2|
        FIRE ALARM|FALRM||m|8||2|""",
    "administrative": """
        DIRECTED PATROL|DPAT||||28|6|
        BUSINESS CHECK|BCHK||||22|6|
        AREA CHECK|ACHK||||14|6|
        FOOT PATROL|FOOT||||9|6|
        FOLLOW UP|FOLUP||||14|6|
        SUPPLEMENTAL|SUPP|||6|6|6|
        SUPPLEMENTAL REPORT|SUPRPT|||2|3|6|
        OFF DUTY JOB|ODJ||||4|6|
        PRISONER TRANSPORT|PRTRN||||3|6|
        DOWN TIME - VEHICLE|DOWNT||||3|6|
        SPECIAL ASSIGNMENT|DETAIL||s|||6|
        911 HANG UP|911HU|||50||4|
        911 OPEN LINE|911OPN|||42||4|
        ASSIST OTHER AGENCY|AOA||g|||4|""",
    "criminal": """
        THEFT|THEFT||c|18|2|4|
        SHOPLIFTING|SHOPL||c|9||4|
        BURGLARY|BURG||c|8|1|3|SUSPICIOUS PERSON
        ASSAULT|ASLT||c|9|1|1|DISTURBANCE
        DOMESTIC BATTERY|DOMB||c|6||1|DOMESTIC VERBAL
        ROBBERY|ROBB||c|3||1|
        VANDALISM|VAND||c|8|1|4|
        TRESPASSING|TRESP||c|11|5|3|SUSPICIOUS PERSON
        SHOTS FIRED|SHOTS||c|5|1|1|
        WEAPON COMPLAINT|WEAP||c|3|1|1|
        FRAUD|FRAUD||c|6||5|
        THREATS|THREAT||c|7||3|
        HARASSMENT|HARASS||c|6||4|
        STOLEN VEHICLE|STVEH||c|6|1|4|
        NARCOTICS SALE|NARCS||c|4|6|3|SUSPICIOUS PERSON
        DRUG POSSESSION *DRUG FREE ZONE*|DFZ||c|1|5|4|
        DUI|DUI||c|3|9|2|RECKLESS DRIVER
        WARRANT (PUBLIC INTOXICATION)|WARPI||c||3|5|
        WARRANT SERVICE|WAR||c||8|5|
        FIGHT|FIGHT||c|6|1|1|DISTURBANCE
        LIQUOR LAW VIOLATION|LIQ||c|1|2|5|
        INDECENT EXPOSURE|INDEC||c|1||3|""",
    "unmatched": """
        <script>alert(1)</script>|XSS|||1||4|
        {{7*7}}|SSTI|||1||4|
        =cmd('calc')|CELL|||1||4|
        ZZ 14|ZZ14|||9||4|""",
}

SHERIFF = {
    "mental_health": """
        Mental Health - Subject|MH1|1||40|1|3|
        Psych Evaluation|MH2|1||16||3|
        Suicidal Person|MH3|2||24||2|
        Suicide Attempt - In Progress|MH4|3||3||1|""",
    "substance_use": """
        Intoxicated Person|SU1|1||42|4|3|
        Alcohol/Drug Problem - Needs Detox|SU2|1||8||4|
        Drug Overdose|SU3|3||8||1|""",
    "homelessness": """
        Homeless Person|HL1|1||30|3|4|
        Homeless Camp|HL2|1||18|3|5|""",
    "welfare_check": """
        Welfare Check|WC1|0||70|2|3|
        Wellbeing Check|WC2|0||20||3|""",
    "youth_family": """
        Family Dispute - Verbal|FM1|2||34||3|
        Juvenile Out of Control|FM2|1||18||3|
        Runaway|FM3|1||14||3|""",
    "medical": """
        Medical Call|MD1|3||40||1|
        Sick/Injured Person|MD2|3||20||2|""",
    "quality_of_life": """
        Noise Disturbance|NQ1|||30|1|4|
        Animal at Large|NQ2|||16|1|5|""",
    "other_noncriminal": """
        Suspicious Person|ON1|||24|12|3|
        Public Assist|ON2|||20|10|4|
        Civil Matter|ON3|||10||4|""",
    "traffic": """
        Traffic Stop|TR1||||80|5|
        Vehicle Accident|TR2|||30|3|2|
        Motorist Assist|TR3|||14|12|4|""",
    "alarm": """
        Alarm - Burglary|AL1||m|60||3|
        Alarm - Medical|AL2||m|12||2|""",
    "administrative": """
        Extra Patrol|AD1||||50|6|
        Property Check|AD2||||30|6|
        Supplemental Information|AD3|||8|8|6|
        911 Hangup|AD4|||60||4|
        Assist Other Agency|AD5||g|||4|""",
    "criminal": """
        Theft Report|CR1||c|24|1|4|
        Battery|CR2||c|10|1|2|
        Criminal Trespass|CR3||c|12|3|3|
        Drug Violation|CR4||c|4|6|4|
        OWI - Intoxicated Driver|CR5||c|5|8|2|""",
    "unmatched": """
        Code 9-Z|UN1|||1||4|""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallType:
    """A type of one agency; `need`, `tier`, `is_criminal` are what it is meant to be, weights are relative."""

    text: str
    code: str
    need: str
    tier: int | None
    is_criminal: bool
    flags: str
    agency: str
    community: float
    officer: float
    priority: str
    initial: tuple[str, ...]


def call_types() -> tuple[CallType, ...]:
    """All types, those of the city police first; position in this tuple is the type's number."""
    return tuple(
        _type(line, need, agency)
        for agency, table in (("cad", CITY), ("sheriff", SHERIFF))
        for need, text in table.items()
        for line in text.strip().splitlines()
    )


def _type(line: str, need: str, agency: str) -> CallType:
    text, code, tier, flags, community, officer, priority, initial = line.strip().split("|")
    return CallType(
        text=text,
        code=code,
        need=need,
        tier=int(tier) if tier else None,
        is_criminal="c" in flags,
        flags=flags,
        agency=agency,
        community=float(community or 0),
        officer=float(officer or 0),
        priority=priority,
        initial=tuple(filter(None, initial.split(";"))),
    )


def weights(types: tuple[CallType, ...], *, agency: str, origin: str) -> NDArray[np.float64]:
    """Probability of each type among one agency's calls of one origin; they sum to 1."""
    out = np.zeros(len(types))
    if origin in ("alarm", "agency", "scheduled"):
        flag = {"alarm": "m", "agency": "g", "scheduled": "s"}[origin]
        for number, one in enumerate(types):
            out[number] = (one.community or 1.0) if one.agency == agency and flag in one.flags else 0.0
        return np.asarray(out / out.sum())
    share = COMMUNITY_SHARE if origin == "community" else OFFICER_SHARE
    for need, part in share.items():
        members = [
            n
            for n, one in enumerate(types)
            if one.agency == agency and one.need == need and not set("mgs") & set(one.flags)
        ]
        each = np.array([types[n].community if origin == "community" else types[n].officer for n in members])
        if each.sum() > 0:
            out[members] = part * each / each.sum()
    return np.asarray(out / out.sum())
