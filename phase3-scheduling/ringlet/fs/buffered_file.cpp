#include <ringlet/fs/buffered_file.hpp>

namespace ringlet {

Co<Result<void>> BufferedFile::close(SharedFd file) {
    co_await operations::sole_holder_of(file);
    co_return co_await Operation(operations::Close(file.take()));
}

}  // namespace ringlet
