"""What is said about the toy world: names, info lines, questions and answers.

A `Talk` is one prompt prefix (a picture, some concepts) and the turns asked behind it; training
(train_vlm.py) and the held-out set (make_eval.py) both draw from here, with names and values split
by a hash so that they never meet.

Reading order: names, facts (Concept), Talk, then the question families: recognition, caption,
concept, scene, info, grounding; `talk_about` mixes them.
"""
import hashlib
from dataclasses import dataclass, field

from lexicon import ACCESSORIES, COLORS, KINDS, PATTERNS, article

PLACE_PHRASE = {"beach": "at the beach", "forest": "in the forest", "room": "in a room",
                "street": "on the street", "snow": "in the snow", "kitchen": "in the kitchen",
                "night sky": "under the night sky", "field": "in a field"}
SIDES = ("on the left", "in the middle", "on the right")
BORDERS = (0.38, 0.62)      # between them, as shares of the width


def pick(rng, items):
    return items[int(rng.integers(len(items)))]


def chance(rng, p):
    return rng.random() < p


def held_out(word):
    """True for one fifth of all words: kept for the held-out set."""
    return hashlib.sha256(("name:" + word.lower()).encode()).digest()[0] % 5 == 0


# ---------------------------------------------------------------- names

_ONSET = ("b c d f g h j k l m n p r s t v w y z br ch cl cr dr fl fr gr kr pl pr sh sk sl sp st "
          "th tr tw").split()
_VOWEL = "a e i o u a e i o u ai ea ee ie oo ou".split()
_CODA = ("", "", "", "", "n", "r", "l", "s", "t", "m", "x", "k", "ck", "nd", "p")
_NAMES = """rex max bella luna charlie lucy cooper bailey daisy sadie molly buddy rocky bear duke tucker
jack oliver toby leo milo zeus winston finn louie ollie murphy gus moose jake oscar sam cody buster
ruby rosie lily zoe sophie maggie chloe penny stella gracie coco roxy ellie nala lola abby ginger
olive hazel honey pepper willow athena ivy emma anna maria peter paul john tom tim jim bob dan ben
mia eva nora ida otto hugo felix karl greta hans heidi lars sven olga ivan boris yuki kenji sakura
hana mei ling wei bo bao raj amir omar layla sara noor aria kai rio diego pablo carlos rosa elena
sofia marco luca gino bruno fido spot rover tiger smokey shadow simba felix tigger socks mittens
boots oreo biscuit cookie waffles mocha latte pickles peanut bubbles sparky flash turbo dash bolt
ziggy pixel widget gizmo nova comet orion pluto mars venus apollo odin thor loki freya merlin arthur
percy homer bart lisa marge fry leela bender yoda chewie frodo bilbo sherlock watson dolly betsy
mug cup car toy ball doll box lamp bag hat bike boat house tree friend pal sister brother mum dad
granny teddy plushie statue figure clock bottle keyring""".split()


def _syllables(rng):
    return "".join(pick(rng, _ONSET) + pick(rng, _VOWEL) + pick(rng, _CODA)
                   for _ in range(int(rng.choice(3, p=(0.25, 0.6, 0.15))) + 1))


def _letters(rng):
    return "".join(pick(rng, "abcdefghijklmnopqrstuvwxyz") for _ in range(int(rng.integers(2, 6))))


def _word(rng):
    r = rng.random()
    if r < 0.6:
        return pick(rng, _NAMES)
    return pick(rng, list(COLORS)) if r < 0.8 else pick(rng, KINDS).name.replace(" ", "-")


def _raw_name(rng):
    r = rng.random()
    if r < 0.46:
        return _syllables(rng)
    if r < 0.66:
        return pick(rng, _NAMES)
    if r < 0.72:
        return _letters(rng)
    if r < 0.80:
        return pick(rng, ("my", "old", "big", "little", "new", "the")) + "-" + _word(rng)
    if r < 0.90:
        return _word(rng) + "-" + _word(rng)
    if r < 0.95:
        return pick(rng, (_syllables, _letters))(rng) + str(int(rng.integers(1, 100)))
    return pick(rng, ("mr ", "my ", "miss ", "")) + _word(rng)


def _plain_name(rng):
    """Names that are no everyday words, so that a question never holds one by accident."""
    r = rng.random()
    if r < 0.5:
        return _syllables(rng)
    if r < 0.8:
        return pick(rng, _NAMES[:_NAMES.index("tiger")])
    if r < 0.9:
        return pick(rng, ("my", "old", "little")) + "-" + _syllables(rng)
    return _syllables(rng) + str(int(rng.integers(2, 10)))


def random_name(rng, test=False, taken=()):
    """A name never seen in the other split; one in ten is capitalised."""
    while True:
        name = _plain_name(rng) if test else _raw_name(rng)
        if not test and chance(rng, 0.1):
            name = pick(rng, (name.capitalize(), name.title(), name.upper()))
        if held_out(name) == test and name not in taken:
            return name


def random_value(rng, fact, test=False):
    """A value of a fact: a known word, or one made up so that it has to be read."""
    value = pick(rng, fact.values)
    if fact.key in _MADE_UP and chance(rng, 0.4):
        while held_out(value := _syllables(rng).capitalize()) != test:
            pass
    elif chance(rng, 0.1) and not test:
        value = _syllables(rng)
    return value


# ---------------------------------------------------------------- facts

_THINGS = """apples pears carrots cheese music rain snow football chess books cookies honey tea coffee
pancakes soup puzzles jazz dancing swimming naps bells balloons sunshine trains stories cakes flowers
grapes nuts bread fish rice noodles cherries drums kites paintings movies games songs walks picnics
berries popcorn chocolate melons tulips candles magnets maps stamps shells pebbles marbles""".split()
_CITIES = """Paris Rome Berlin Tokyo Oslo Madrid Lisbon London Vienna Prague Dublin Athens Cairo Lima
Quito Delhi Seoul Kyoto Boston Chicago Denver Austin Miami Toronto Sydney Perth Zurich Geneva Milan
Naples Venice Munich Hamburg Warsaw Krakow Helsinki Copenhagen Brussels Bruges Lyon Nice Porto
Seville Bergen Malmo Riga Tallinn Budapest Havana Bogota""".split()
_PEOPLE = """Anna Maria Peter Paul John Tom Tim Dan Ben Mia Eva Nora Otto Hugo Felix Karl Greta Hans
Heidi Lars Sven Olga Ivan Yuki Kenji Hana Mei Raj Amir Omar Sara Kai Diego Pablo Rosa Elena Sofia
Marco Luca Alice Clara David Emily Frank Grace Henry Irene Julia Kevin Laura Martin Nina Oscar
Paula Robert Simon Tina Victor Wendy Xavier Zoe""".split()
_SPOTS = """couch bed shelf table desk garden balcony attic cellar garage porch cupboard drawer basket
window sofa carpet kitchen hallway bathroom roof barn pond meadow hammock chair cushion""".split()
_MONTHS = """January February March April May June July August September October November
December""".split()
_STUFF = "wood glass plastic metal paper wool cotton stone clay rubber leather silk felt gold".split()
_FEARS = """thunder spiders water storms ghosts heights dogs cats mice noise darkness fire wind bees
balloons snakes strangers vacuums fireworks owls""".split()
_FOODS = """pizza pasta sushi salad soup rice bread cheese curry tacos waffles toast salmon tofu stew
lentils omelette dumplings porridge yogurt pudding pie""".split()


@dataclass(frozen=True)
class Fact:
    """A kind of fact: how it is told, and how it is asked for."""
    key: str
    values: tuple
    tell: tuple
    ask: tuple


FACTS = (
    Fact("likes", tuple(_THINGS), ("It likes {}.", "It loves {}.", "It is fond of {}."),
         ("What does {n} like?", "What does {n} love?", "What is {n} fond of?")),
    Fact("lives", tuple(_CITIES), ("It lives in {}.", "Its home is {}."),
         ("Where does {n} live?", "In which city does {n} live?", "What is the home of {n}?")),
    Fact("bought", tuple(_CITIES), ("It was bought in {}.", "It comes from {}.", "I found it in {}."),
         ("Where was {n} bought?", "Where does {n} come from?", "Where is {n} from?")),
    Fact("age", tuple(str(i) for i in range(1, 30)), ("It is {} years old.",),
         ("How old is {n}?", "What is the age of {n}?")),
    Fact("owner", tuple(_PEOPLE), ("It belongs to {}.", "Its owner is {}.", "{} owns it."),
         ("Who owns {n}?", "Who is the owner of {n}?", "Whom does {n} belong to?")),
    Fact("gift", tuple(_PEOPLE), ("It was a gift from {}.", "{} gave it to me."),
         ("Who gave {n} to me?", "Who was {n} a gift from?", "Whose gift is {n}?")),
    Fact("sleeps", tuple(_SPOTS), ("It sleeps on the {}.", "It stays near the {}."),
         ("Where does {n} sleep?", "Where does {n} stay?")),
    Fact("born", tuple(_MONTHS), ("It was born in {}.", "Its birthday is in {}."),
         ("When was {n} born?", "In which month is the birthday of {n}?")),
    Fact("made", tuple(_STUFF), ("It is made of {}.",),
         ("What is {n} made of?", "Which material is {n} made of?")),
    Fact("afraid", tuple(_FEARS), ("It is afraid of {}.", "It hates {}."),
         ("What is {n} afraid of?", "What does {n} hate?")),
    Fact("friend", tuple(_PEOPLE), ("Its best friend is {}.", "It plays with {}."),
         ("Who is the best friend of {n}?", "Who plays with {n}?")),
    Fact("food", tuple(_FOODS), ("Its favorite food is {}.", "It eats {}."),
         ("What does {n} eat?", "What is the favorite food of {n}?")),
    Fact("price", tuple(str(i) for i in range(5, 100)), ("It cost {} dollars.",),
         ("How much did {n} cost?", "What was the price of {n}?")),
)
UNKNOWN = "I do not know."
_MADE_UP = ("lives", "bought", "owner", "gift", "friend")     # names of people and towns


@dataclass
class Concept:
    """One remembered thing as the prompt shows it; `inst` is what it looks like."""
    name: str
    inst: object
    image: object = None
    facts: list = field(default_factory=list)   # (Fact, value)
    info: str = ""
    described: bool = True                      # the info says what it looks like

    @property
    def tag(self):
        return f"<{self.name}>"


def _tell(rng, fact, value):
    text = pick(rng, fact.tell).format(value)
    return text[0].upper() + text[1:]


def make_concept(rng, inst, name, image=None, test=False, told=True):
    """Invents facts and writes the info line, which is empty unless told."""
    c = Concept(name, inst, image, described=told)
    if not told:
        return c
    chosen = rng.permutation(len(FACTS))[:int(rng.integers(0 if not test else 2, 5 if not test else 4))]
    for i in chosen:
        c.facts.append((FACTS[i], random_value(rng, FACTS[i], test)))
    r = 0.0 if test else rng.random()
    told = [_tell(rng, f, v) for f, v in c.facts]
    looks = inst.describe()
    if r < 0.72:
        first = f"{c.tag} is {looks}."
    elif r < 0.80:
        first = looks[0].upper() + looks[1:] + "."
    elif r < 0.86:
        first = f"My {looks.split(' ', 1)[1]}."
    else:
        first, c.described = "", False
    c.info = " ".join([first] * bool(first) + told)
    return c


# ---------------------------------------------------------------- talks

@dataclass
class Talk:
    """A prefix and the questions behind it; each chain is one conversation of (question, answer, tag)."""
    scene: object                  # None: no picture. Else has .place, .objects [(inst, box)], .image
    concepts: list
    chains: list = field(default_factory=list)
    asked: object = None           # the concept that most questions are about

    def ask(self, tag, question, answer):
        self.chains.append([(question, answer, tag)])

    def concept_of(self, inst):
        for c in self.concepts:
            if c.inst == inst:
                return c
        return None

    def present(self, concept):
        return self.scene is not None and any(o.inst == concept.inst for o in self.scene.objects)

    def some(self, rng):
        """Number of an object of the picture to ask about."""
        if self.asked and chance(rng, 0.75):
            return next(i for i, o in enumerate(self.scene.objects) if o.inst == self.asked.inst)
        return int(rng.integers(len(self.scene.objects)))


def _center(o):
    return (o.box[0] + o.box[2]) / 2, (o.box[1] + o.box[3]) / 2


def ordered(scene):
    """Objects from left to right."""
    return sorted(scene.objects, key=lambda o: _center(o)[0])


def _plain(inst):
    """In plain words: what the tower shows of a thing nobody named (its kind is beyond it)."""
    return article(f"{inst.color} thing")


def call(talk, o):
    """How an answer calls an object: the name when it is known, else plain words."""
    c = talk.concept_of(o.inst)
    return c.tag if c else _plain(o.inst)


def _the(talk, o, rng=None):
    """How a question refers to an object, or None when that would be ambiguous."""
    c = talk.concept_of(o.inst)
    if c:
        return c.tag
    same = [p for p in talk.scene.objects if p.inst.color == o.inst.color]
    return f"the {o.inst.color} thing" if len(same) == 1 else None


def join_words(words):
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def side_of(o, size=320):
    x = _center(o)[0] / size
    return SIDES[0] if x < BORDERS[0] else SIDES[1] if x < BORDERS[1] else SIDES[2]


RECOGNISE = ("Is {n} in this image? Answer with a single word or phrase.", "Is {n} in this image?",
             "Is {n} in this picture?", "Is {n} in the photo?", "Can you see {n} in this image?",
             "Does this picture show {n}?", "Do you see {n}?", "Is {n} here?",
             "Is that {n} in the picture?", "Is {n} visible in this photo?")
CAPTION = ("Give a caption of this image.", "Write a caption for this image.", "Describe this picture.",
           "Describe the image.", "Give a personalized caption of this image.", "Caption this photo.",
           "What can you see in this picture?", "What is in this image?", "Please describe this photo.",
           "Can you describe this image?", "What does the picture show?")


def recognition(rng, talk, name, present):
    q = RECOGNISE[0] if chance(rng, 0.4) else pick(rng, RECOGNISE)
    return q.format(n=f"<{name}>"), "Yes" if present else "No"


def caption_text(talk):
    """Known things first, in the order the prompt lists them; then the others from left to right."""
    words = [c.tag for c in talk.concepts if talk.present(c)]
    words += [call(talk, o) for o in ordered(talk.scene) if not talk.concept_of(o.inst)]
    return join_words(words) + " " + PLACE_PHRASE[talk.scene.place] + "."


def caption(rng, talk):
    return pick(rng, CAPTION), caption_text(talk)


WHO = ("Which of the things you know are in this image?", "Who is in this picture?", "Whom do you see here?",
       "Do you know anything in this photo?", "Which names do you recognise in this image?")


def who(rng, talk):
    tags = [c.tag for c in talk.concepts if talk.present(c)]
    return pick(rng, WHO), join_words(tags) + "." if tags else "I know nothing here."


MINE_COUNT = ("How many of my things are in this image?", "How many of my things are here?",
              "How many of the things you know are in this picture?")
MINE_SIDE = ("Which of my things is on the {}?", "Which of my things is furthest to the {}?")


def mine_count(rng, talk):
    """How many of the things in the prompt are in the picture."""
    return pick(rng, MINE_COUNT), str(sum(talk.present(c) for c in talk.concepts))


def mine_side(rng, talk):
    """The known thing furthest to one side; None unless two are clearly apart."""
    row = [o for o in ordered(talk.scene) if talk.concept_of(o.inst)]
    if len(row) < 2:
        return None
    side = pick(rng, ("left", "right"))
    first, second = (row[0], row[1]) if side == "left" else (row[-1], row[-2])
    if abs(_center(first)[0] - _center(second)[0]) < 25:
        return None
    return pick(rng, MINE_SIDE).format(side), call(talk, first)


# ---------------------------------------------------------------- about one thing's looks

def _worn(inst):
    if inst.accessory == "none":
        return "nothing"
    what = f"{inst.accessory_color} {inst.accessory}"
    return what if inst.accessory == "glasses" else article(what)


def _pattern(inst):
    return "no pattern" if inst.pattern == "none" else f"{inst.pattern_color} {inst.pattern}"


def _looks_color(rng, n, inst):
    return pick(rng, (f"What color is {n}?", f"Which color does {n} have?", f"What is the color of {n}?")), inst.color


def _looks_kind(rng, n, inst):
    return pick(rng, (f"What kind of thing is {n}?", f"What is {n}?", f"What sort of thing is {n}?")), inst.kind.name


def _looks_group(rng, n, inst):
    return f"To which group does {n} belong?", inst.kind.group


def _looks_worn(rng, n, inst):
    return pick(rng, (f"What is {n} wearing?", f"What does {n} wear?", f"Which accessory does {n} have?")), _worn(inst)


def _looks_pattern(rng, n, inst):
    return pick(rng, (f"What pattern does {n} have?", f"Which pattern is on {n}?")), _pattern(inst)


def _looks_is_color(rng, n, inst):
    color = inst.color if chance(rng, 0.5) else pick(rng, list(COLORS))
    return f"Is {n} {color}?", "Yes" if color == inst.color else "No"


def _looks_wears(rng, n, inst):
    thing = inst.accessory if chance(rng, 0.5) and inst.accessory != "none" else pick(rng, ACCESSORIES[1:])
    worn = thing if thing == "glasses" else article(thing)
    return f"Is {n} wearing {worn}?", "Yes" if thing == inst.accessory else "No"


def _looks_has(rng, n, inst):
    p = inst.pattern if chance(rng, 0.5) and inst.pattern != "none" else pick(rng, PATTERNS[1:])
    return f"Does {n} have {p}?", "Yes" if p == inst.pattern else "No"


LOOKS = (_looks_color, _looks_color, _looks_kind, _looks_worn, _looks_worn, _looks_pattern, _looks_pattern,
         _looks_is_color, _looks_wears, _looks_has)


def looks(rng, n, inst, kind=True):
    ask = pick(rng, LOOKS)
    while ask is _looks_kind and not kind:
        ask = pick(rng, LOOKS)
    return ask(rng, n, inst)


# ---------------------------------------------------------------- about the scene

def _scene_place(rng, talk):
    q = pick(rng, ("Where was this picture taken?", "What place is this?", "Which place is in the image?",
                   "Where is this?"))
    return q, PLACE_PHRASE[talk.scene.place]


def _scene_count(rng, talk):
    q = pick(rng, ("How many things are in the picture?", "How many objects do you see?",
                   "How many things can you see?"))
    return q, str(len(talk.scene.objects))


def _scene_night(rng, talk):
    return "Is it day or night?", "night" if talk.scene.place == "night sky" else "day"


def _scene_looks(rng, talk):
    o = talk.scene.objects[talk.some(rng)]
    n, c = _the(talk, o), talk.concept_of(o.inst)
    ask = looks(rng, n, o.inst, kind=bool(c and c.described)) if n else None
    return None if ask and not c and "olor" in ask[0] else ask


def _scene_any(rng, talk):
    colors = [o.inst.color for o in talk.scene.objects]
    color = pick(rng, colors) if chance(rng, 0.5) else pick(rng, list(COLORS))
    return f"Is there {article(color + ' thing')} in this image?", "Yes" if color in colors else "No"


def _scene_where(rng, talk):
    o = talk.scene.objects[talk.some(rng)]
    n = _the(talk, o)
    return (pick(rng, (f"Where is {n}?", f"Where in the picture is {n}?")), side_of(o)) if n else None


def _pair(rng, talk):
    """Two objects clearly apart from left to right, in random order, with their questions' names."""
    order = [int(i) for i in rng.permutation(len(talk.scene.objects))]
    if len(order) < 2:
        return None
    if talk.asked:
        first = talk.some(rng)
        order = [first] + [i for i in order if i != first]
    a, b = talk.scene.objects[order[0]], talk.scene.objects[order[1]]
    na, nb = _the(talk, a), _the(talk, b)
    if not na or not nb or abs(_center(a)[0] - _center(b)[0]) < 40:
        return None
    return a, b, na, nb


def _scene_order(rng, talk):
    pair = _pair(rng, talk)
    if not pair:
        return None
    a, b, na, nb = pair
    return f"Is {na} left or right of {nb}?", "left" if _center(a)[0] < _center(b)[0] else "right"


def _scene_beside(rng, talk):
    """The neighbour to one side; 'nothing' at the border."""
    row = ordered(talk.scene)
    i = row.index(talk.scene.objects[talk.some(rng)])
    n = _the(talk, row[i])
    if not n:
        return None
    if len(row) == 2 and chance(rng, 0.5):
        return f"What is next to {n}?", call(talk, row[1 - i])
    step = pick(rng, (-1, 1))
    side = "left" if step < 0 else "right"
    other = call(talk, row[i + step]) if 0 <= i + step < len(row) else "nothing"
    return f"What is to the {side} of {n}?", other


SCENE = (_scene_place, _scene_count, _scene_count, _scene_night, _scene_looks, _scene_looks, _scene_looks,
         _scene_any, _scene_where, _scene_where, _scene_where, _scene_order, _scene_order, _scene_beside,
         _scene_beside, _scene_beside)


def scene_question(rng, talk):
    for _ in range(8):
        qa = pick(rng, SCENE)(rng, talk)
        if qa:
            return qa
    return _scene_place(rng, talk)


def box_text(box, size=320):
    """x0, y0, x1, y1 as shares of the picture, to a twentieth: patches are an eighth wide."""
    return "[" + ", ".join(f"{min(1.0, max(0.0, round(v / size * 20) / 20)):.2f}" for v in box) + "]"


def grounding(rng, talk):
    known = [o for o in talk.scene.objects if talk.concept_of(o.inst)]
    o = pick(rng, known if known and chance(rng, 0.8) else talk.scene.objects)
    n = _the(talk, o)
    if not n:
        return None
    q = pick(rng, ("Give the bounding box of {n}.", "Where is {n}? Give the box.", "Locate {n} in the image."))
    return q.format(n=n), box_text(o.box)


# ---------------------------------------------------------------- about what is told

def info_question(rng, concept, test=False):
    """A question whose answer stands in the info line (or is not there)."""
    r = rng.random()
    if r < 0.7 and concept.facts:
        fact, value = pick(rng, concept.facts)
        return pick(rng, fact.ask).format(n=concept.tag), value
    if r < 0.78 and not test:
        told = {f.key for f, _ in concept.facts}
        fact = pick(rng, [f for f in FACTS if f.key not in told])
        if fact.key not in _related(told):
            return pick(rng, fact.ask).format(n=concept.tag), UNKNOWN
    if r > 0.93 and concept.described:
        q = pick(rng, ("Tell me about {n}.", "Describe {n}.", "Who is {n}?", "What do you know about {n}?"))
        return q.format(n=concept.tag), f"{concept.tag} is {concept.inst.describe()}."
    if concept.described:
        return looks(rng, concept.tag, concept.inst)
    return looks(rng, concept.tag, concept.inst, kind=False)


def _related(told):
    """Facts that would be confused with one that was told."""
    out = set()
    for pair in (("lives", "bought"), ("sleeps", "lives"), ("owner", "gift"), ("likes", "food")):
        if told & set(pair):
            out |= set(pair)
    return out


_SMALL_TALK = (("Hello!", "Hello! Show me a picture of the toy world."),
               ("Hi!", "Hello! Show me a picture of the toy world."),
               ("Who are you?", "I am a tiny model of a toy world."),
               ("What can you do?", "I describe toy pictures and the things you named."),
               ("Thank you!", "You are welcome."), ("Thanks.", "You are welcome."))


def without_anything(rng, talk):
    """Text only, nothing retrieved."""
    for _ in range(4):
        if chance(rng, 0.75):
            n = f"<{random_name(rng)}>"
            fact = pick(rng, FACTS)
            q = pick(rng, (pick(rng, fact.ask), "What color is {n}?", "Who is {n}?", "What is {n}?",
                           "Tell me about {n}.")).format(n=n)
            talk.ask("refuse", q, f"I do not know {n}.")
        else:
            talk.ask("refuse", *pick(rng, _SMALL_TALK))


def talk_text(rng, talk, count):
    """Questions about concepts, no picture."""
    for _ in range(count):
        talk.ask("info", *info_question(rng, pick(rng, talk.concepts)))
    if chance(rng, 0.4):
        n = f"<{random_name(rng, taken=[c.name for c in talk.concepts])}>"
        q = pick(rng, ("What color is {n}?", "Who is {n}?", "Where does {n} live?", "What is {n}?",
                       "What does {n} like?", "How old is {n}?"))
        talk.ask("refuse", q.format(n=n), f"I do not know {n}.")


def talk_picture(rng, talk, count):
    """Questions about a picture, with or without concepts."""
    names = [c.name for c in talk.concepts]
    for c in talk.concepts:
        talk.ask("recognition", *recognition(rng, talk, c.name, talk.present(c)))
    if chance(rng, 0.25 if talk.concepts else 0.6):
        talk.ask("recognition", *recognition(rng, talk, random_name(rng, taken=names), False))
    talk.ask("caption", *caption(rng, talk))
    if talk.concepts:
        talk.ask("who", *who(rng, talk))
    while len(talk.chains) < count:
        r = rng.random()
        if r < 0.25 and talk.concepts:
            talk.ask("info", *info_question(rng, pick(rng, talk.concepts)))
        elif 0.25 <= r < 0.30:
            qa = grounding(rng, talk)
            if qa:
                talk.ask("box", *qa)
        else:
            talk.ask("scene", *scene_question(rng, talk))


def chain_some(rng, talk, p=0.25):
    """Turns some single questions into conversations of two or three turns."""
    order, chains = rng.permutation(len(talk.chains)), []
    for i in order:
        turns = talk.chains[i]
        if chains and len(chains[-1]) < 3 and chance(rng, p):
            chains[-1] = chains[-1] + turns
        else:
            chains.append(list(turns))
    talk.chains = chains


def talk_about(rng, scene, concepts, count=11, asked=None):
    """A whole training talk; asked: the concept that most questions about the picture are about."""
    talk = Talk(scene, concepts, asked=asked)
    if scene is None and not concepts:
        without_anything(rng, talk)
    elif scene is None:
        talk_text(rng, talk, count)
    else:
        talk_picture(rng, talk, count)
    chain_some(rng, talk)
    return talk


# ---------------------------------------------------------------- the prompt

def prefix_parts(talk):
    """The prompt before the question: strings and pictures (the scene's or a concept's object).

    The program tokenises all text between two pictures as one stretch; strings are cut here only where
    no piece of the vocabulary reaches across, so a leading space belongs to what follows it.
    """
    parts = ["USER: " if talk.scene is not None or talk.concepts else "USER:"]
    if talk.scene is not None:
        parts += [talk.scene, "\n"]
    for i, c in enumerate(talk.concepts):
        parts += ["[" if i == 0 else "", f"{i + 1}.", c, "\n Name: ", c.tag, ", Info:", " " + c.info, "\n"]
    if talk.concepts:
        parts.append("]")
    return [p for p in parts if p != ""]
