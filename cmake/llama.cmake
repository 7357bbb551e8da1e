# llama.cpp as one interface target `llama_all`: headers and static libraries of ggml, llama, mtmd.
