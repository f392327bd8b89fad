package app.item.web;

/** Which rows a page of the list shows. */
public class ItemPage {
	private static final int SIZE = 100;

	private final int total;
	private final int page;

	public ItemPage(int page, int total) {
		this.total = total;
		this.page = Math.max(1, Math.min(page, getTotalPageCount()));
	}

	public int getTotalPageCount() {
		return (total + SIZE - 1) / SIZE;
	}

	public int getRecordCountPerPage() {
		return SIZE;
	}

	public int getFirstRecordIndex() {
		return (page - 1) * SIZE;
	}
}
