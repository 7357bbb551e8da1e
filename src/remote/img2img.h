/* img2img.h: a picture changed by a diffusion model, through the protocol of AUTOMATIC1111's POST /sdapi/v1/img2img,
 * which stable-diffusion.cpp and others implement too. */
#ifndef RAP_REMOTE_IMG2IMG_H
#define RAP_REMOTE_IMG2IMG_H

#include "base/buf.h"
#include "remote/endpoint.h"

typedef struct img2img_request {
    const void *picture; /* encoded */
    size_t size;
    int width, height;   /* wanted; multiples of 8 suit every model */
    const char *prompt, *negative; /* negative: "" for none */
    double strength;     /* 0: as it is, 1: anything */
    int64_t seed;
    int steps;
} img2img_request;

rap_status img2img_open(endpoint **out, const endpoint_settings *settings, rap_err *err);

/* Appends the encoded picture that came: its first bytes are those of one, and it is not too large. Nothing is decoded. */
rap_status img2img_ask(buf *out, endpoint *e, const img2img_request *request, rap_err *err);

/* Reads {"images": ["base64"…]}: the first picture. For img2img_ask() and its fuzz harness; `again`: the reply ends in
 * the middle. */
rap_status img2img_read(buf *out, bool *out_again, const char *reply, size_t size, rap_err *err);

#endif
