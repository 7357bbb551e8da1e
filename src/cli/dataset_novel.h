/* dataset_novel.h: rap dataset novel. */
#ifndef RAP_CLI_DATASET_NOVEL_H
#define RAP_CLI_DATASET_NOVEL_H

#include "cli/cli.h"
#include "dataset/novel.h"

typedef struct novel_flags { /* as given; 0 or NULL: not given */
    const char *prompt, *negative;
    double strength, threshold;
    long seed, steps, views;
} novel_flags;

/* What became of the views: failures on stderr, then the result. */
void cli_say_novel(const novel_result *result);
void cli_print_novel(const novel_result *result, double threshold);
json_t *cli_novel_json(const novel_result *result);

int cli_dataset_novel(cli *c, const char *folder, const char *endpoint, long side,
                      const novel_flags *flags);

#endif
