package app;

import java.sql.SQLException;
import java.util.List;
import org.apache.struts2.ActionSupport;
import org.apache.struts2.ServletActionContext;

/** GET /: the page with the rows of the table. */
public class IndexAction extends ActionSupport {
	private List<String> names = List.of();

	@Override
	public String execute() throws SQLException {
		names = new ItemDao(Database.shared()).names();
		return SUCCESS;
	}

	public List<String> getNames() {
		return names;
	}

	public String getUser() {
		return Login.shared().user(ServletActionContext.getRequest());
	}

	public String getInstance() {
		return System.getenv().getOrDefault("CODINGLAB_INSTANCE", "this machine");
	}
}
