/* program.c: a program that knows nothing but rap.h, linked with one library: what needs no model works,
 * and what fails says why. */
#include <rap.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int count(const rap_record *record, void *payload)
{
    (void)record;
    ++*(int *)payload;
    return 0;
}

static int expect(int good, const char *what)
{
    if (!good)
        fprintf(stderr, "not so: %s\n", what);
    return good ? 0 : 1;
}

int main(void)
{
    char folder[] = "/tmp/rap-api-XXXXXX", store[64];
    rap_options options = RAP_OPTIONS_INIT;
    rap_record *record = NULL;
    rap *r = NULL;
    int bad = 0, concepts = 0;

    if (!mkdtemp(folder))
        return 1;
    snprintf(store, sizeof store, "%s/store.db", folder);
    options.store = store;
    bad += expect(rap_open(&r, &options) == RAP_OK, "an empty store opens");
    bad += expect(rap_each(r, NULL, count, &concepts) == RAP_OK && concepts == 0, "it is empty");
    bad += expect(rap_find(&record, r, "bo") == RAP_E_NOT_FOUND && !record, "nobody is known");
    bad += expect(strstr(rap_error(r), "bo") != NULL, "the error names what was looked for");
    bad += expect(rap_convert("/nowhere", "/tmp/x", NULL, NULL, 0) == RAP_E_NOT_FOUND,
                  "a missing checkpoint is not found");
    rap_close(r);

    options.store = "/nowhere/at/all/store.db";
    options.store_use = RAP_STORE_READ;
    bad += expect(rap_open(&r, &options) != RAP_OK, "a missing store does not open");
    bad += expect(r && *rap_error(r), "the handle says why");
    rap_close(r);
    rap_close(NULL);
    unlink(store);
    if (rmdir(folder) != 0) {
        fprintf(stderr, "the store left files behind\n");
        bad++;
    }
    return bad != 0;
}
