"""Write the annotations of a toy set in COCO's layout, with tracks, as `rap dataset build` reads them.

    python tools/tiny/make_coco.py examples/toy examples/dataset/toy.json

A concept is a track: its avatar is frame 0, every scene that shows it a later frame. "info" is the concept's, with
{name} for its name. "captions" of a scene with one concept are those of sentences.json, which make_training.py writes,
else two that fit every scene.
"""
import json
import os
import struct
import sys


def jpeg_size(path):
    with open(path, 'rb') as f:
        data = f.read()
    at = 2
    while at < len(data):
        marker, length = data[at + 1], struct.unpack('>H', data[at + 2:at + 4])[0]
        if marker in (0xC0, 0xC1, 0xC2):
            height, width = struct.unpack('>HH', data[at + 5:at + 9])
            return width, height
        at += 2 + length
    raise ValueError(path + ': not a JPEG')


def main(folder, out):
    with open(os.path.join(folder, 'database.json')) as f:
        concepts = {c['name']: c for c in json.load(f)['concept_dict'].values()}
    with open(os.path.join(folder, 'retrieval.json')) as f:
        places = json.load(f)
    sentences = {}
    if os.path.exists(os.path.join(folder, 'sentences.json')):
        with open(os.path.join(folder, 'sentences.json')) as f:
            sentences = json.load(f)
    categories = sorted({c['category'] for c in concepts.values()})
    images, annotations, number = [], [], {}

    def image(path, frame):
        if path not in number:
            number[path] = len(images) + 1
            width, height = jpeg_size(os.path.join(folder, path))
            images.append({'id': number[path], 'file_name': path, 'width': width, 'height': height,
                           'frame_index': frame})
        return number[path]

    shown = {}
    for place in places:
        shown.setdefault(place['image'], []).append(place['name'])
    for track, (name, concept) in enumerate(sorted(concepts.items()), 1):
        common = {'track_id': track, 'category_id': categories.index(concept['category']) + 1, 'iscrowd': 0,
                  'info': concept['info'].replace('<%s>' % name, '{name}')}
        avatar = image(concept['image'], 0)
        width, height = images[avatar - 1]['width'], images[avatar - 1]['height']
        annotations.append({'id': len(annotations) + 1, 'image_id': avatar, 'bbox': [0, 0, width, height], **common})
        for frame, place in enumerate((p for p in places if p['name'] == name), 1):
            one = {'id': len(annotations) + 1, 'image_id': image(place['image'], frame), 'bbox': place['box'], **common}
            if len(shown[place['image']]) == 1:
                one['captions'] = sentences.get(place['image'],
                                                ['{name} in a drawn scene.', 'A scene with {name} in it.'])
            annotations.append(one)
    with open(out, 'w') as f:
        json.dump({'info': {'description': 'the toy world, made by make_coco.py'}, 'images': images,
                   'categories': [{'id': i + 1, 'name': c} for i, c in enumerate(categories)],
                   'annotations': annotations}, f, separators=(',', ':'))
        f.write('\n')


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2])
