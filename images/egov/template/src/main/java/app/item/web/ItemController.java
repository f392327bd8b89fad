package app.item.web;

import app.item.service.ItemService;
import app.item.service.ItemVO;
import jakarta.annotation.Resource;
import jakarta.validation.Valid;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.stereotype.Controller;
import org.springframework.ui.Model;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.ModelAttribute;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.SessionAttribute;

@Controller
public class ItemController {
	@Resource(name = "itemService")
	private ItemService itemService;

	@Value("${CODINGLAB_INSTANCE:this machine}")
	private String instance;

	@Value("${app.framework}")
	private String framework;

	@GetMapping("/")
	public String selectItemList(@RequestParam(defaultValue = "1") int page,
			@SessionAttribute(name = LoginController.USER, required = false) String user, Model model) throws Exception {
		ItemPage items = new ItemPage(page, itemService.selectItemCount());

		model.addAttribute("items", itemService.selectItemList(items.getFirstRecordIndex(), items.getRecordCountPerPage()));
		model.addAttribute("page", items);
		model.addAttribute("user", user);
		model.addAttribute("instance", instance);
		model.addAttribute("framework", framework);
		return "item/list";
	}

	@PostMapping("/items")
	public String insertItem(@Valid @ModelAttribute ItemVO item) throws Exception {
		itemService.insertItem(item);
		return "redirect:/";
	}
}
