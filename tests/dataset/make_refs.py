"""The recipe of tests/data/dataset/refs_p*.p: RefCOCO's pickle of references in protocols 0 to 4, and one that would run
a command if it were executed.

    python tests/dataset/make_refs.py tests/data/dataset
"""
import os
import pickle
import sys

refs = [{'ref_id': 1, 'ann_id': 1, 'image_id': 1, 'category_id': 1, 'split': 'train', 'file_name': 'one_1.jpg',
         'sent_ids': [0, 1], 'sentences': [{'sent': 'the dog on the left', 'raw': 'The dog on the left'},
                                           {'sent': 'spotted dog with a collar', 'raw': 'x'}]},
        {'ref_id': 2, 'ann_id': 2, 'image_id': 1, 'category_id': 2, 'split': 'val', 'file_name': 'one_2.jpg',
         'sent_ids': [2], 'sentences': [{'sent': 'red cup', 'raw': 'red cup'}]},
        {'ref_id': 3, 'ann_id': 4, 'image_id': 2, 'category_id': 1, 'split': 'train', 'file_name': 'two_4.jpg',
         'sent_ids': [3], 'sentences': [{'sent': 'dog in back', 'raw': 'dog in back'}]}]


class Command:
    def __reduce__(self):
        return os.system, ('touch refs-was-run',)


folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
for protocol in range(5):
    with open(os.path.join(folder, 'refs_p%d.p' % protocol), 'wb') as f:
        pickle.dump(refs, f, protocol)
with open(os.path.join(folder, 'refs_command.p'), 'wb') as f:
    pickle.dump(refs + [Command()], f, 2)
