/* query.h: is a question one that can be asked? */
#ifndef RAP_RAP_QUERY_H
#define RAP_RAP_QUERY_H

#include "base/err.h"

rap_status query_check(const rap_query *query, rap_err *err);

#endif
