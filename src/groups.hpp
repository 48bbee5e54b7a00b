/// How the changes of one statement are tried in groups, so that those at fault end up alone.
#pragma once

#include "postgres.hpp"

namespace contact_sync
{

/// Whether an error may come of what is in one row: of classes 22 and 23, P0001, or of a code that PostgreSQL does not
/// know, and so a user's own. Any other is about tables, locks or the server, and would only come again.
bool may_be_one_rows_fault(int sqlstate);

/// The groups of changes to try, one after the other in the order of the changes: first all of them. Of a group that
/// failed, what came before the batch at fault, halves of that batch, and what comes after it. Each change is tried,
/// and there are at most `most_attempts` attempts.
class Groups
{
  public:
	static constexpr int most_attempts = 60;

	/// Goes on to the next group; false when there is none.
	bool next();

	/// How many changes the group has; of the first one, all that there are.
	int64 size() const { return size_; }

	/// Lets the same group come once more.
	void try_again();

	/// Lets parts of the group come next; false where it cannot be split any more. It has `size` changes, was served in
	/// batches of `batch`, and `served` changes were before the one that failed.
	bool split(int64 size, int64 served, int64 batch);

  private:
	int64 waiting_[most_attempts] = {PG_INT64_MAX};
	int waiting_count_ = 1;
	int attempts_ = 0;
	int64 size_ = 0;
};

} // namespace contact_sync
