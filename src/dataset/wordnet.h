/* wordnet.h: the 30 classes of ILSVRC-VID by their WordNet ids. */
#ifndef RAP_DATASET_WORDNET_H
#define RAP_DATASET_WORDNET_H

const char *wordnet_word(const char *id); /* "n02084071" → "dog"; what it does not know comes back as it is */

#endif
