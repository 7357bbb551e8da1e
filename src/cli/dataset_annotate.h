/* dataset_annotate.h: rap dataset annotate. */
#ifndef RAP_CLI_DATASET_ANNOTATE_H
#define RAP_CLI_DATASET_ANNOTATE_H

#include "cli/cli.h"

typedef struct annotate_flags { /* as given; 0 or NULL: not given */
    const char *endpoint, *model, *task, *prompts;
    long parallel, per_minute, side, max_tokens;
    bool dry_run, replay;
} annotate_flags;

int cli_dataset_annotate(cli *c, const char *folder, const annotate_flags *flags);

#endif
