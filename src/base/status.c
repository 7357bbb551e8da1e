/* status.c: the one table that gives every status its text, exit code and HTTP status. */
#include "base/err.h"

typedef struct status_row {
    const char *text;
    int exit_code;
    int http;
} status_row;

/* Exit codes are part of the command line's contract (see rap(1)): 2 is wrong usage, as with most
 * programs; 130 is what a shell reports for an interrupted one; 1 is left to what has no status. */
static status_row status_find(rap_status status)
{
    switch (status) {
    case RAP_OK:
        return (status_row){ "ok", 0, 200 };
    case RAP_E_ARGUMENT:
        return (status_row){ "wrong argument", 2, 400 };
    case RAP_E_NOT_FOUND:
        return (status_row){ "not found", 3, 404 };
    case RAP_E_EXISTS:
        return (status_row){ "already exists", 4, 409 };
    case RAP_E_FORMAT:
        return (status_row){ "damaged or of another kind", 5, 422 };
    case RAP_E_UNSUPPORTED:
        return (status_row){ "not supported", 6, 501 };
    case RAP_E_LIMIT:
        return (status_row){ "over a limit", 7, 413 };
    case RAP_E_IO:
        return (status_row){ "reading or writing failed", 8, 500 };
    case RAP_E_BUSY:
        return (status_row){ "busy", 9, 503 };
    case RAP_E_VERSION:
        return (status_row){ "written by a newer version", 10, 409 };
    case RAP_E_MEMORY:
        return (status_row){ "out of memory", 11, 507 };
    case RAP_E_MODEL:
        return (status_row){ "model failed", 12, 500 };
    case RAP_E_CANCELLED:
        return (status_row){ "cancelled", 130, 499 };
    case RAP_STATUS_COUNT:
        break;
    }
    return (status_row){ "unknown status", 1, 500 };
}

const char *rap_status_text(rap_status status)
{
    return status_find(status).text;
}

int rap_status_exit_code(rap_status status)
{
    return status_find(status).exit_code;
}

int rap_status_http(rap_status status)
{
    return status_find(status).http;
}
