#include "write/notes.hpp"

#include <algorithm>

#include "server/fault.hpp"

extern "C"
{
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
}

namespace contact_sync
{

static_assert(std::is_trivially_destructible_v<Notes>);

namespace
{

constexpr uint32 no_note = PG_UINT32_MAX;

/// Those that nobody has acted on.
Notes *first = nullptr;

/// How many triggers are at work on top of each other.
int trigger_depth()
{
	return DatumGetInt32(pg_trigger_depth(nullptr));
}

bool same_columns(const Binding &left, const Binding &right)
{
	return strcmp(NameStr(left.id.name), NameStr(right.id.name)) == 0 &&
		   strcmp(NameStr(left.phone.name), NameStr(right.phone.name)) == 0 &&
		   strcmp(NameStr(left.whatsapp.name), NameStr(right.whatsapp.name)) == 0;
}

} // namespace

Length length_of(const Column &column, Field number)
{
	if (!is_plain(column, number))
		return unknown;
	try
	{
		const std::string_view text = number_in(number);
		const int length = pg_verify_mbstr_len(GetDatabaseEncoding(), text.data(), static_cast<int>(text.size()), true);
		return length >= 0 && length < unknown ? static_cast<Length>(length) : unknown;
	}
	catch (...)
	{
		return unknown;
	}
}

Note note_of(const Binding &binding, Datum key, bool is_insert, Length phone, Length whatsapp)
{
	const Column &id = binding.id;
	const auto *bytes =
		reinterpret_cast<const unsigned char *>(id.by_value ? static_cast<void *>(&key) : DatumGetPointer(key));
	const Size size = id.by_value ? sizeof key : datumGetSize(key, false, id.length);
	return {key, hash_bytes(bytes, static_cast<int>(size)) >> 1, is_insert, phone, whatsapp};
}

Notes::Notes(const Binding &binding, const Purpose &purpose, MemoryContext memory)
	: binding_(binding), purpose_(purpose), depth_(trigger_depth()), memory_(memory), next_(std::exchange(first, this))
{
	// Whatever ends them, they are not found any more.
	on_reset_.arg = this;
	on_reset_.func = [](void *notes) { static_cast<Notes *>(notes)->take(); };
	MemoryContextRegisterResetCallback(memory, &on_reset_);
}

/// The first of `notes` and those after them that are for that binding.
Notes *Notes::next_of(const Binding &binding, Notes *notes)
{
	while (notes != nullptr && (notes->depth_ != trigger_depth() || notes->binding_.topmost != binding.topmost ||
								!same_columns(notes->binding_, binding)))
		notes = notes->next_;
	return notes;
}

Notes *Notes::first_of(const Binding &binding)
{
	Notes *found = nullptr;
	for (Notes *notes = next_of(binding, first); notes != nullptr; notes = next_of(binding, notes->next_))
		if (found == nullptr || notes->purpose_.order < found->purpose_.order)
			found = notes;
	return found;
}

Notes &Notes::of(const Binding &binding, const Purpose &purpose)
{
	for (Notes *notes = next_of(binding, first); notes != nullptr; notes = next_of(binding, notes->next_))
		if (&notes->purpose_ == &purpose)
			return *notes;
	const MemoryContext memory =
		AllocSetContextCreate(CurTransactionContext, "contact_sync notes", ALLOCSET_DEFAULT_SIZES);
	return *new (MemoryContextAlloc(memory, sizeof(Notes))) Notes(binding, purpose, memory);
}

bool Notes::same_customer(const Note &left, const Note &right) const
{
	return left.hash == right.hash && same_bits(binding_.id, {left.key, false}, {right.key, false});
}

/// The place of that customer's note, or the free one for it.
uint32 &Notes::place(const Note &note)
{
	const auto mask = static_cast<uint32>(2 * capacity_ - 1);
	uint32 slot = note.hash & mask;
	while (index_[slot] != no_note && !same_customer(notes_[index_[slot]], note))
		slot = (slot + 1) & mask;
	return index_[slot];
}

void Notes::grow()
{
	const int64 capacity = Max(2 * capacity_, 8);
	auto *notes = static_cast<Note *>(MemoryContextAllocHuge(memory_, sizeof(Note) * capacity));
	auto *index = static_cast<uint32 *>(MemoryContextAllocHuge(memory_, sizeof(uint32) * 2 * capacity));
	std::copy_n(notes_, size_, notes);
	std::fill_n(index, 2 * capacity, no_note);
	if (capacity_ > 0)
	{
		pfree(notes_);
		pfree(index_);
	}
	notes_ = notes;
	index_ = index;
	capacity_ = capacity;
	for (int64 i = 0; i < size_; i++)
		place(notes_[i]) = static_cast<uint32>(i);
}

void Notes::add(const Note &note)
{
	if (size_ == capacity_)
		grow();
	uint32 &there = place(note);
	if (there != no_note)
	{
		Note &known = notes_[there];
		if (note.phone != unchanged)
			known.phone = note.phone;
		if (note.whatsapp != unchanged)
			known.whatsapp = note.whatsapp;
		return;
	}

	const MemoryContext caller = MemoryContextSwitchTo(memory_);
	Note &added = notes_[size_];
	added = note;
	added.key = datumCopy(note.key, binding_.id.by_value, binding_.id.length);
	MemoryContextSwitchTo(caller);
	there = static_cast<uint32>(size_++);
}

bool Notes::are_many() const
{
	return size_ >= limited("notes", no_note) ||
		   MemoryContextMemAllocated(memory_, false) > static_cast<Size>(work_mem) * 1024;
}

void Notes::take()
{
	for (Notes **link = &first; *link != nullptr; link = &(*link)->next_)
		if (*link == this)
		{
			*link = next_;
			break;
		}
}

void Notes::free()
{
	MemoryContextDelete(memory_);
}

} // namespace contact_sync
