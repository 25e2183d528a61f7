"""Word lists for finding languages in research prose, as data: what stands behind a language, and what behind its namesakes."""

from __future__ import annotations

import re

__all__ = ["AFTER", "BEFORE", "DOUBTFUL", "ENGLISH_WORDS", "FOLLOW", "IMPERATIVE", "NAMESAKES", "NOT_AFTER", "QUALIFIED", "WORK"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DOUBTFUL = _words(
    "Afar Alabama Asu Bafut Bavarian Bena Bulu Carib Cherokee Cheyenne Chickasaw Cree Dakota Delaware Embu Emilian Ewe Fang Fon "
    "Ga Gayo Gothic Haida Iban Ido Kako Kamba Kawi Kom Kongo Koro Lamba Langi Ligurian Lombard Lunda Luo Maba Mandar Mari Mende "
    "Meru Mohawk Mongo Nama Nauru Neapolitan Nias Okanagan Osage Pampanga Picard Piedmontese Pontic Prussian Rombo Samburu Sangu "
    "Scots Sena Seneca Seri Shan Sicilian Slave Soga Susu Taita Teso Tigre Tokelau Tonga Vai Venetian Walser Washo Yao "
    "Zaza Bini Bodo Bulgar Hmong Kachin Lao Braj Timne Kashmiri"
)
"""Names that are words, places, peoples or surnames as often as languages: they need "language" or "speakers" beside them."""

NAMESAKES = {
    "Arabic": r"numerals?|gum",
    "Chinese": r"restaurant|room\b|wall\b|whispers|remainder|postman",
    "Danish": r"pastr|krone",
    "Dutch": r"auction|book\b|oven|disease",
    "English": r"premier league|channel|breakfast|heritage|garden",
    "French": r"fries|horn\b|press\b|revolution|connection",
    "German": r"shepherd|cockroach|measles",
    "Greek": r"letters?|temples?|yog|mytholog|salad|key\b",
    "Hungarian": r"algorithm|method|match|loss|assign",
    "Italian": r"restaurant|cake|renaissance",
    "Japanese": r"beetle|encephalitis|garden|knotweed",
    "Javanese": r"rhino|gamelan|coffee",
    "Korean": r"war\b|peninsula",
    "Latin": r"hypercube|squares?|americ|script|alphabet|letters?|characters?",
    "Mandarin": r"oranges?|duck|collar|orchard|peel",
    "Persian": r"gulf|cat\b|cats\b|rugs?|carpet",
    "Polish": r"notation",
    "Portuguese": r"man o",
    "Russian": r"dolls?|roulette",
    "Spanish": r"flu\b|influenza",
    "Tamil": r"nadu|eelam|tiger",
    "Turkish": r"airlines|lira|coffee|delight",
    "Vietnamese": r"dong\b",
}
"""Name -> what stands behind it where it is no language."""

NOT_AFTER = re.compile(
    r"[\s-]+(?:(?:and|or|&)\s+\w+\s+)?(?:\w+\s+){0,1}?"
    r"(?:governments?|compan(?:y|ies)|firms?|markets?|econom\w+|citizens|people|populations?|patients|users|customers|students|"
    r"cuisine|food|cultures?|histor(?:y|ians?)|architecture|revolution|academy|universit\w+|institut\w+|"
    r"embassy|army|empire|republic|"
    r"airlines|league|parliament|court|courts|hospitals?|cities|towns|villages|banks?|cohort|born|centric|style|based|"
    r"researchers|team|teams|ministry|police|politic\w+|elections?|stocks?|households?|children|adults|women|men|schools?|soldiers)\b",
    re.IGNORECASE,
)
"""Nouns that make a name a nationality; one word may stand between."""

AFTER = re.compile(
    r"(?:[\s/]+|-(?=language|speaking|only|centric\b))(?:[\w'’.-]+\s+){0,3}?"
    r"(?:languages?|speakers?|speaking|text|texts|corp(?:us|ora)|treebanks?|pars(?:ing|ers?)|morpholog\w+|"
    r"syntax|grammar\w*|phonolog\w+|"
    r"words?|wordnet|vocabular\w+|lexic\w+|dictionar\w+|speech|voices?|asr|tts|pronunciation|phonemes?|"
    r"tones?|tweets?|posts|messages|"
    r"comments?|news|headlines|articles?|documents?|essays?|books?|novels?|poems?|poetry|proverbs|"
    r"charters|inscriptions?|manuscripts?|"
    r"stories|transcripts?|telephone|sentences?|questions?|answers?|quer(?:y|ies)|prompts?|instructions?|"
    r"dialogues?|conversations?|"
    r"reviews|wikipedia|twitter|subtitles|leaflets|cases|laws?|records|reports?|notes|translations?|"
    r"translat\w+|entit\w+|sentiment|"
    r"hate|emotion|nlp|nlu|bert|gpt|llms?|models?|encoders?|embeddings?|tokeni[sz]\w+|tagg\w+|lemmati\w+|segmentation|stemm\w+|"
    r"spell\w*|summar\w+|captions?|datasets?|data|benchmarks?|test sets?|splits?|evaluation|ocr|handwrit\w+|transliterat\w+|"
    r"dialects?|sandhi|clauses?|verbs?|nouns?|pronouns?|idioms?|metaphors?|suffixes|only|counterparts?|parallel|code-mix\w*|"
    r"code-switch\w*|learners?|annotat\w+|alignments?|paraphras\w+|comprehension|inference|reasoning|knowledge|math\w*)\b",
    re.IGNORECASE,
)
"""Words of the study of language; up to three words may stand between."""

BEFORE = re.compile(
    r"(?:\b(?:in|into|from|to|between|for|of|on|with|and|or|both|like|including|includes?|such as|namely|"
    r"than|as|via|against|covers?|"
    r"covering|speaks?|spoken|supports?|versus|vs\.?|is|are|across|target|source|native|only|translat\w+|beyond)|[:(,;/–—-])\s*$",
    re.IGNORECASE,
)
FOLLOW = re.compile(
    r"\s*(?:$|[.,;:!?)\]/–—-]|(?:and|or|but|is|are|was|were|as|with|than|at|by|which|that|when|while|"
    r"because|has|have|had|can|may|"
    r"will|where|if|since|after|before|for|in|on|to|using|through|via|due|too|without|from|into|also|who|"
    r"both|under|during|falls?|"
    r"rises?|than|show\w*|remains?|lacks?|raise\w*|retrieve\w*|share|shares|carry|vary|varies|help\w*)\b)",
)
QUALIFIED = re.compile(
    r"\b(?:spoken|written|learners?['’]?|modern|old|middle|ancient|standard|colloquial|literary|biblical|"
    r"classical|medieval|historical|"
    r"non-native|native|simple|plain|clinical|legal|social[- ]media)\s+$",
    re.IGNORECASE,
)
"""Words before a name that only a language has."""

IMPERATIVE = re.compile(
    r"\s+(?:the|a|an|your|our|their|his|her|its|this|that|these|those|it|them|up|off|each|every)\b", re.IGNORECASE
)
"""What follows "Polish" where it is a verb."""

ENGLISH_WORDS = _words(
    "am an as at be by do go ha he hi ho id if in io is it la lo ma me mi my na no nr of oh ok om on or "
    "os pa pi ps re si so st sw ta te "
    "ti to tt ty up us we ace add age ago ain all and any are arm art ask bad bar bat bed bin bit bus "
    "but can car cat cow day den did "
    "dog due egg end far few fit fly fon for fur gay get god got gun had ham has hat her hid him his hit "
    "hot how inc its jam job key "
    "kid lad law let lot low man mad mag map mat may men met min mix net new nor not now nut odd off old "
    "one our out own pap par pet "
    "pig pop put ran rat raw red rim rod row run sad sat saw say sea see set she sin sit six sky son sun "
    "tag tar tea ten the tie tin "
    "toe ton too top toy try two use van war was way wet who why win won yes yet you"
)

WORK = re.compile(
    r"\b(?:(?<!programming )languages?\b|linguist\w*|text\w*|translat\w+|multilingual|monolingual|"
    r"cross-?lingual|speech|dialogues?|"
    r"dialogs?|conversation\w*|corp(?:us|ora)|tweets?|sentences?|words?|vocabular\w+|named entit\w+|"
    r"entit(?:y|ies)|pars(?:e|er|ers|ing)\b|"
    r"sentiment|summari[sz]\w+|news\b|articles?|chat\w*|prompts?|comments?|documents?|retriev\w+|novels?|embeddings?|llms?|"
    r"transcri\w+|question answering|questions?|instructions?|reviews?\b|nlp|glue|reading|essays?|topic models?|"
    r"phonemes?|voice assistants?|token\w*|recipes?|stories|hate|toxic\w*)",
    re.IGNORECASE,
)
"""Signs that a work is about language."""
