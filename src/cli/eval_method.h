/* eval_method.h: rap eval --method: the concepts of the set are learnt as `rap train --method` does, and the questions answered
 * with that. */
#ifndef RAP_CLI_EVAL_METHOD_H
#define RAP_CLI_EVAL_METHOD_H

#include "cli/cli.h"
#include "eval/eval.h"
#include "train/concept/concept.h"

#include "base/temp.h"

typedef struct eval_method_flags {
    const char *method, *pictures, *negatives;
    long epochs, seed;
    /* filled by cli_eval_method() */
    concept_options learn;
    concept_result result;
    concept_asker *asker;
    temp folder; /* of a LoRA */
    eval_method run;
} eval_method_flags;

/* CLI_CONTINUE, or the exit code of a wrong flag. Call cli_eval_method_end() afterwards. */
int cli_eval_method(eval_method **out, cli *c, eval_method_flags *f);
/* Adds what learning took to the report (NULL: prints it), and releases everything. Without --method nothing happens. */
void cli_eval_method_end(json_t *report, eval_method_flags *f);

#endif
