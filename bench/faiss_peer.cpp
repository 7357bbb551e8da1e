// faiss_peer.cpp: faiss IndexFlatL2 behind three C functions, so that bench_search.c can call it. Built only
// where libfaiss-dev is installed.
#include <faiss/IndexFlat.h>
#include <faiss/utils/distances.h>

#include <omp.h>

extern "C" void *faiss_peer_open(const float *data, long rows, int dim)
{
    auto *index = new faiss::IndexFlatL2(dim);

    index->add(rows, data);
    return index;
}

// `blas` 1: always by matrix products; 0: faiss decides (it takes them from 20 queries on).
extern "C" void faiss_peer_search(void *index, const float *query, int queries, int k, int threads, int blas,
                                  float *distance, int64_t *id)
{
    std::vector<faiss::Index::idx_t> label(static_cast<size_t>(queries) * static_cast<size_t>(k));

    omp_set_num_threads(threads);
    faiss::distance_compute_blas_threshold = blas ? 1 : 20;
    static_cast<faiss::IndexFlatL2 *>(index)->search(queries, query, k, distance, label.data());
    for (size_t i = 0; i < label.size(); i++)
        id[i] = label[i];
}

extern "C" void faiss_peer_close(void *index)
{
    delete static_cast<faiss::IndexFlatL2 *>(index);
}
