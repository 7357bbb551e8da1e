"""Words of the toy world: the kinds of things, their groups, colours, patterns and accessories.

Read this first, then world.py (which draws them). A kind is one emoji picture with a short name of
our own; a group is what a newcomer would call it ("an animal"). One fifth of the kinds are never
shown in training (``seen`` is False): they stand for things a user has that no training set had.
"""
import hashlib
from dataclasses import dataclass

# group: "code point = name" pairs, separated by commas.
_TABLE = {
    "animal": """1f436=dog,1f431=cat,1f42d=mouse,1f439=hamster,1f430=rabbit,1f98a=fox,1f43b=bear,
        1f43c=panda,1f428=koala,1f42f=tiger,1f981=lion,1f42e=cow,1f437=pig,1f438=frog,1f435=monkey,
        1f414=chicken,1f427=penguin,1f424=chick,1f986=duck,1f985=eagle,1f989=owl,1f987=bat,1f43a=wolf,
        1f417=boar,1f434=horse,1f984=unicorn,1f41d=bee,1f41b=caterpillar,1f98b=butterfly,1f40c=snail,
        1f41e=ladybug,1f41c=ant,1f577=spider,1f982=scorpion,1f422=turtle,1f40d=snake,1f98e=lizard,
        1f996=dinosaur,1f419=octopus,1f991=squid,1f990=shrimp,1f99e=lobster,1f980=crab,1f421=blowfish,
        1f420=fish,1f42c=dolphin,1f433=whale,1f988=shark,1f40a=crocodile,1f993=zebra,1f98d=gorilla,
        1f418=elephant,1f98f=rhino,1f42a=camel,1f992=giraffe,1f998=kangaroo,1f411=sheep,1f40f=ram,
        1f999=llama,1f410=goat,1f98c=deer,1f429=poodle,1f413=rooster,1f983=turkey,1f99a=peacock,
        1f99c=parrot,1f9a2=swan,1f9a9=flamingo,1f99d=raccoon,1f9a8=skunk,1f9a1=badger,1f9ab=beaver,
        1f9a6=otter,1f9a5=sloth,1f994=hedgehog,1f409=dragon,1f43f=squirrel,1f99b=hippo,1f9ad=seal,
        1fab2=beetle,1f41a=shell,1f9a4=dodo""",
    "food": """1f34e=apple,1f350=pear,1f34b=lemon,1f34c=banana,1f349=watermelon,1f347=grapes,
        1f353=strawberry,1f352=cherries,1f34d=pineapple,1f965=coconut,1f95d=kiwi,1f346=eggplant,
        1f951=avocado,1f966=broccoli,1f33d=corn,1f955=carrot,1f9c5=onion,1f9c4=garlic,1f954=potato,
        1f950=croissant,1f96f=bagel,1f35e=bread,1f956=baguette,1f968=pretzel,1f9c0=cheese,
        1f373=fried egg,1f95e=pancakes,1f9c7=waffle,1f953=bacon,1f356=meat,1f357=drumstick,1f32d=hot dog,
        1f354=burger,1f35f=fries,1f355=pizza,1f96a=sandwich,1f32e=taco,1f32f=burrito,1f957=salad,
        1f96b=can,1f35d=spaghetti,1f35c=noodles,1f363=sushi,1f371=lunch box,1f364=prawn,1f359=rice ball,
        1f366=ice cream,1f967=pie,1f9c1=cupcake,1f382=cake,1f36e=pudding,1f36d=lollipop,1f36c=candy,
        1f36b=chocolate,1f37f=popcorn,1f369=donut,1f36a=cookie,1f36f=honey pot,1f964=soda,1f9c3=juice,
        1f375=tea,1f37a=mug,1f377=wine glass,1f379=cocktail,1f336=pepper,1f95c=peanut""",
    "plant": """1f335=cactus,1f332=pine tree,1f333=tree,1f334=palm tree,1f340=clover,1f341=maple leaf,
        1f344=mushroom,1f490=bouquet,1f337=tulip,1f339=rose,1f33b=sunflower,1f338=blossom,
        1fab4=potted plant,1f331=seedling,1fab7=lotus,1fab8=coral""",
    "vehicle": """1f697=car,1f695=taxi,1f68c=bus,1f3ce=race car,1f691=ambulance,1f692=fire truck,
        1f69a=truck,1f69c=tractor,1f6f4=scooter,1f6b2=bicycle,1f6f5=moped,1f3cd=motorcycle,1f68b=tram,
        1f682=train,1f681=helicopter,2708=plane,1f680=rocket,1f6f8=ufo,1f6f6=canoe,26f5=sailboat,
        1f6a4=speedboat,1f6a2=ship,1f6fb=pickup,1f6f0=satellite,1f69f=gondola""",
    "clothing": """1f455=shirt,1f456=jeans,1f457=dress,1f454=tie,1f9e5=coat,1f9e6=socks,1f9e4=gloves,
        1fa73=shorts,1f458=kimono,1f45a=blouse,1f460=heel,1f462=boot,1f45e=shoe,1f45f=sneaker,
        1f9e2=cap,1f393=square cap,1f452=straw hat,1f45c=handbag,1f45b=purse,1f392=backpack,
        1f97d=goggles,1f9ba=vest,1fa96=helmet,1fa74=sandal""",
    "toy": """26bd=football,1f3c0=basketball,1f3c8=rugby ball,26be=baseball,1f3be=tennis racket,
        1f3d3=paddle,1f3f8=badminton,1f94a=boxing glove,1f6f9=skateboard,1f6f7=sled,26f8=ice skate,
        1f6fc=roller skate,1f3af=target,1fa80=yoyo,1fa81=kite,1f3ae=gamepad,1f3b2=dice,1f9e9=puzzle,
        1f9f8=teddy bear,1fa85=pinata,1fa86=nesting doll,265f=pawn,1f3b3=bowling,1f579=joystick,
        1fa83=boomerang,1f3c6=trophy,1f388=balloon,1f3a8=palette,1f916=robot,1f47e=space monster,
        26c4=snowman""",
    "instrument": """1f3b7=saxophone,1f3b8=guitar,1f3ba=trumpet,1f3bb=violin,1fa95=banjo,1f941=drum,
        1fa97=accordion,1f3a4=microphone,1f514=bell""",
    "tool": """1f528=hammer,1fa93=axe,1f527=wrench,1fa9b=screwdriver,1fa9a=saw,1f9f2=magnet,1fa9c=ladder,
        1f52c=microscope,1f52d=telescope,1f58c=brush,2702=scissors,1f58d=crayon,1f526=flashlight,
        1f511=key,1f512=lock,1f9f0=toolbox,1faa3=bucket,1f9f9=broom,1f9ef=extinguisher,2693=anchor,
        1f4a1=light bulb,1f50b=battery,1f9ea=test tube,1f9ed=compass,1faa0=plunger,1f944=spoon,
        1fad6=teapot,1f9fa=basket,1fad9=jar,1f9f5=spool""",
    "thing": """1f4f7=camera,1f4fa=television,1f4fb=radio,1f4bb=laptop,1f5a8=printer,1f4de=phone,
        231a=watch,23f0=alarm clock,1f56f=candle,1f6cb=couch,1fa91=chair,1f6cf=bed,1f6bd=toilet,
        1f6c1=bathtub,1f6aa=door,1f5d1=trash can,1f6d2=cart,1f381=gift,1f4e6=package,1f4ee=mailbox,
        1f4d5=book,1f4bc=briefcase,1f9f3=suitcase,2602=umbrella,1f48e=gem,1f48d=ring,1f451=crown,
        1f3fa=vase,1f52e=crystal ball,1f3a9=top hat,1f3e0=house,26fa=tent,1f3f0=castle,1f3aa=circus,
        1f5ff=statue,1f47b=ghost,1f480=skull,1f383=pumpkin,1f4b0=money bag,1f3a5=movie camera,
        1f6e1=shield,1f6a6=traffic light,26fd=fuel pump,1f3a1=ferris wheel,1f9ca=ice cube,1faa8=rock,
        1f3ee=lantern,1f4be=floppy disk,1f570=mantel clock,1f6de=wheel""",
}

# Colours are far enough apart to survive light changes and a 40 px rendering.
COLORS = {
    "red": (214, 32, 38), "orange": (245, 128, 20), "yellow": (250, 214, 30), "green": (46, 160, 58),
    "blue": (30, 84, 220), "purple": (128, 48, 190), "pink": (250, 130, 185), "brown": (122, 72, 36),
    "black": (34, 34, 40), "white": (246, 246, 246), "grey": (140, 144, 150), "cyan": (40, 200, 215),
}
PATTERNS = ("none", "dots", "stripes", "checks", "stars")
ACCESSORIES = ("none", "hat", "scarf", "bow", "glasses", "crown", "flower")
GROUPS = tuple(_TABLE)
PLACES = ("beach", "forest", "room", "street", "snow", "kitchen", "night sky", "field")


@dataclass(frozen=True)
class Kind:
    """One sort of thing: its name, the wider group, the picture's code point, and seen in training."""
    name: str
    group: str
    code: str
    seen: bool


def _hash(text):
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _read_table():
    rows = []
    for group, text in _TABLE.items():
        for pair in text.replace("\n", "").split(","):
            code, name = pair.strip().split("=")
            rows.append((name, group, code))
    hidden = set(sorted((r[0] for r in rows), key=_hash)[: len(rows) // 5])
    return tuple(Kind(n, g, c, n not in hidden) for n, g, c in rows)


KINDS = _read_table()
KIND_BY_NAME = {k.name: k for k in KINDS}
SEEN_KINDS = tuple(k for k in KINDS if k.seen)
UNSEEN_KINDS = tuple(k for k in KINDS if not k.seen)
assert len(KIND_BY_NAME) == len(KINDS), "kind names must be unique"


_PLURAL = {"grapes", "cherries", "fries", "pancakes", "noodles", "jeans", "socks", "gloves", "shorts",
           "scissors", "goggles"}
_MASS = {"broccoli", "corn", "garlic", "bread", "cheese", "bacon", "meat", "sushi", "popcorn", "juice",
         "tea", "soda", "spaghetti", "food", "clothing", "badminton", "bowling"}


def article(words):
    """"a dog", "an orange cat"; plural and mass nouns take "some"."""
    noun = words.split()[-1]
    if noun in _PLURAL or noun in _MASS:
        return "some " + words
    if words.split()[0] == "ufo":
        return "a " + words
    return ("an " if words[0] in "aeiou" else "a ") + words
