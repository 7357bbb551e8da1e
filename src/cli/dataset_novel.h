/* dataset_novel.h: rap dataset novel. */
#ifndef RAP_CLI_DATASET_NOVEL_H
#define RAP_CLI_DATASET_NOVEL_H

#include "cli/cli.h"

typedef struct novel_flags { /* as given; 0 or NULL: not given */
    const char *prompt, *negative;
    double strength, threshold;
    long seed, steps, views;
} novel_flags;

int cli_dataset_novel(cli *c, const char *folder, const char *endpoint, long side,
                      const novel_flags *flags);

#endif
