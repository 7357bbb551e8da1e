/* map_yolo.h: shared by map_yolo.c (tensors) and map_yolo_wiring.c (what a module says of itself). */
#ifndef RAP_CONVERT_MAP_YOLO_H
#define RAP_CONVERT_MAP_YOLO_H

#include "convert/convert_inside.h"

/* Fails the conversion of what is no YOLO-World v2, saying what it is. */
void yolo_check_kind(conversion *c);
/* Fails when a module's layers are wired or set otherwise than ours. A state dict says nothing of that. */
void yolo_check_wiring(conversion *c);

#endif
